/*
 * The protocol of package invalidation, for exhaustive checking with spin.
 *
 * Two processes share a database, a Redis and a second-level cache. Each has one writer and one reader, which are
 * concurrent. There is one scope. Each writer changes the database once; readers read for ever. A process may die at
 * every step. Redis may lose everything once. Messages may be lost, late or out of order. Time passes in ticks.
 *
 * -DSTRICT: fences are waited for, and each hit is checked with Redis.
 * Otherwise (bounded): fences are sent alongside, hits are checked against the local cell under the lease. To keep it
 * small the messages (-DNO_BUS) or the loss (-DNO_LOSS) may be left out.
 *
 * What is checked is the promise (see the package comment):
 *   - own writes: a hit is never older than what a writer of the same process has returned;
 *   - strict: a hit is never older than what has become visible, nor than what any read has returned;
 *   - bounded: a hit is never older than what had become visible, with its fence in Redis, BOUND ticks ago.
 *
 * Each of these breaks the protocol in one place, and run.sh shows that spin finds it:
 *   NO_FENCE, NO_NONCE_AT_FENCE, COUNTER (versions are counters), LATE_VERSION (read after the query),
 *   FIRST_RELEASE_OPENS, UNKNOWN_OPENS, NO_QUARANTINE; in bounded use also NO_HOLD, OLD_NEWS, OLD_BIRTH.
 * CAN_HIT is no mutation: it shows that newest answers are hit at all.
 */

#define BOUND 2  /* ticks that an answer may be old */
#define HALF 1   /* ticks within which a fence is renewed, and a change is decided whose client has gone */
#define LEASE 2  /* ticks that a fence holds unrenewed */

/* The database. A change is under way while pending; then it has a value, or was aborted. */
byte db;
bool pending[2];
byte value[2];          /* what the writer's change became: 0 while it is not visible */
bool left[2];           /* the writer died or gave up waiting: nobody renews its fence */
byte leftAge[2];        /* for so many ticks */

/* Redis: the hash of versions. */
byte epoch = 1;
byte nonce = 1;
byte seq;
bool fenced[2];         /* fences of the two writers, */
byte fenceAge[2];       /* unrenewed for so many ticks */
bool quarantine;
byte quarantineAge;
#ifdef NO_LOSS
bool lossLeft = false;
#else
bool lossLeft = true;
#endif
byte fresh = 1;         /* the last random number: numbers never come back */
bool flying[2];         /* a fence command in the socket: it survives its sender */
bool everFenced[2];

/* The second-level cache: one entry is enough, since whoever looks may find any that was stored last. */
bool stored;
byte eEpoch, eNonce, eValue;
bool eShort;            /* stored in quarantine: not to be used for longer than BOUND */
byte eAge;

/* The processes. */
bool dead[2];
byte holds[2];          /* local writers in flight */
byte own[2];            /* the value that a writer of the process has returned */
byte cEpoch[2], cNonce[2], cSeq[2];  /* the local cell: 0 is unknown or fenced */
byte lostTo[2], lostSeq[2];  /* where another epoch was noticed while a question was under way */
byte age[2] = BOUND;    /* ticks since the last question that found the process up to date was sent */
chan bus[2] = [1] of { byte, byte, byte };  /* epoch, seq, nonce */
byte rEpoch[2], rNonce[2], rValue[2];       /* the answer that the reader has under way, and its versions */
bool rShort[2];

byte asked[2] = BOUND;  /* ticks since the question under way was sent */
byte since[2] = BOUND;  /* ticks since the versions of the answer under way were read */

/* What must be seen: visible now, and with each tick a place further. */
byte visible;
byte visibleAgo[3];     /* by ticks; BOUND is the last place */
byte returned;          /* largest value that a read has returned */

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define other(p) (1 - (p))
#define anyFence (fenced[0] || fenced[1])

inline note(p) {
	if
	:: value[p] > 0 && everFenced[p] -> visible = MAX(visible, value[p])
	:: else
	fi
}

/* In strict use a version that is not the current one can never be used again, since numbers never come back. To
   forget it at once leaves fewer states to look at. */
inline newNonce() {
#ifdef COUNTER
	seq++;
	nonce = seq
#else
#ifdef STRICT
	stored = false; eEpoch = 0; eNonce = 0; eValue = 0;
	rNonce[0] = 0; rNonce[1] = 0; rEpoch[0] = 0; rEpoch[1] = 0;
#else
	seq++;
#endif
	fresh++;
	nonce = fresh
#endif
}

/* Redis carries out a fence command. */
inline doFence(p) {
#ifdef NO_FENCE
	skip;
#else
#ifndef NO_NONCE_AT_FENCE
	newNonce();
#endif
	fenced[p] = true;
	fenceAge[p] = 0;
#endif
	everFenced[p] = true;
	note(p)
}

/* News of the scope, from an answer or a message. */
inline learn(p, e, s, n) {
	if
	:: e != cEpoch[p] -> skip
	:: e == cEpoch[p] ->
		if
#ifdef OLD_NEWS
		:: true -> cSeq[p] = s; cNonce[p] = n
#else
		:: s >= cSeq[p] -> cSeq[p] = s; cNonce[p] = n
		:: else
#endif
		fi
	fi
}

inline publish(p, e, s, n) {
#if defined(STRICT) || defined(NO_BUS)
	skip
#else
	if
	:: nfull(bus[p]) -> bus[p]!e, s, n
	:: true   /* lost */
	fi
#endif
}

inline die(p) {
	d_step {
		dead[p] = true;
		if
		:: !left[p] -> left[p] = true; leftAge[p] = 0
		:: else
		fi;
		/* what only the dead knew is of no interest */
		holds[p] = 0; own[p] = 0; cEpoch[p] = 0; cNonce[p] = 0; cSeq[p] = 0; age[p] = BOUND; asked[p] = BOUND; lostTo[p] = 0; lostSeq[p] = 0
	}
	goto end
}

#define maybeDie(p) if :: die(p) :: true fi

proctype Writer(byte p) {
	bool unknown, aborted;

	maybeDie(p);
	/* Fence */
#ifdef STRICT
	atomic {
#ifndef NO_HOLD
		holds[p]++; cNonce[p] = 0;
#endif
		doFence(p)
	}
#else
	atomic {
#ifndef NO_HOLD
		holds[p]++; cNonce[p] = 0;
#endif
		flying[p] = true
	}
#endif
	maybeDie(p);
	/* COMMIT is written to the socket; the database does it, or does not, in its own time. A ROLLBACK is the same to
	   all others as an abort. */
	pending[p] = true;
	maybeDie(p);
	if
	:: !pending[p] -> aborted = (value[p] == 0)
	:: atomic { pending[p] -> unknown = true; left[p] = true; leftAge[p] = 0 }  /* the connection broke */
	fi;
	maybeDie(p);
	/* Release: after the answer to the fence. When Redis cannot be told now the caller goes on, and the local cell
	   stays shut: that is the first alternative. */
#ifndef STRICT
	if
	:: own[p] = MAX(own[p], value[p])
	:: true
	fi;
	maybeDie(p);
#endif
	atomic {
		!flying[p] ->
		if
		:: !aborted -> newNonce()
		:: aborted -> seq++
		fi;
		if
#ifndef UNKNOWN_OPENS
		:: unknown -> fenced[p] = true; fenceAge[p] = 0
		:: !unknown ->
#else
		:: true ->
#endif
			fenced[p] = false; fenceAge[p] = 0
		fi;
#ifdef FIRST_RELEASE_OPENS
		fenced[other(p)] = false;
#endif
		if
		:: anyFence -> publish(other(p), epoch, seq, 0)
		:: else -> publish(other(p), epoch, seq, nonce)
		fi;
#ifndef NO_HOLD
		/* the answer reaches the own cell before anything else of this process */
		holds[p]--;
		if
		:: epoch != cEpoch[p] -> cEpoch[p] = 0; cNonce[p] = 0; cSeq[p] = 0; age[p] = BOUND;
			if
			:: asked[p] < BOUND -> lostTo[p] = epoch; lostSeq[p] = seq
			:: else
			fi
		:: epoch == cEpoch[p] && anyFence -> learn(p, epoch, seq, 0)
		:: epoch == cEpoch[p] && !anyFence -> learn(p, epoch, seq, nonce)
		fi;
#endif
#ifndef STRICT
		own[p] = MAX(own[p], value[p]);
#endif
		value[p] = 0; unknown = false; aborted = false
	}
end:	skip
}

/* The database carries out what is pending. */
active proctype Database() {
	byte p;
end:	do
	:: atomic { pending[0] -> p = 0 }; goto act
	:: atomic { pending[1] -> p = 1 }; goto act
	od;
act:	atomic {
		if
		:: db++; value[p] = db; note(p)
		:: true
		fi;
		pending[p] = false;
		p = 0
	}
	goto end
}

/* Redis: fences that arrive late, the loss of everything, leases renewed, fences set again by writers that live. */
active proctype Redis() {
end:	do
	:: atomic { flying[0] -> flying[0] = false; doFence(0) }
	:: atomic { flying[1] -> flying[1] = false; doFence(1) }
	:: atomic { lossLeft -> lossLeft = false;
		fenced[0] = false; fenced[1] = false; fenceAge[0] = 0; fenceAge[1] = 0;
		seq = 0;
#ifndef COUNTER
		epoch++;
#endif
		newNonce();
#ifndef NO_QUARANTINE
		quarantine = true; quarantineAge = 0
#endif
	}
	:: d_step { fenced[0] && !left[0] && fenceAge[0] > 0 -> fenceAge[0] = 0 }
	:: d_step { fenced[1] && !left[1] && fenceAge[1] > 0 -> fenceAge[1] = 0 }
	:: atomic { holds[0] > 0 && !fenced[0] && !flying[0] && everFenced[0] && !left[0] -> doFence(0) }
	:: atomic { holds[1] > 0 && !fenced[1] && !flying[1] && everFenced[1] && !left[1] -> doFence(1) }
	od
}

/* A tick of time. It does not come before what is promised to be quicker. */
#define decided(p) (!(pending[p] && left[p] && leftAge[p] >= HALF))
#define renewed(p) (!(fenced[p] && !left[p] && fenceAge[p] >= HALF))
#define setAgain(p) (!(quarantine && quarantineAge >= HALF && holds[p] > 0 && everFenced[p] && !fenced[p] && !left[p]))
#define inTime(p) (decided(p) && renewed(p) && setAgain(p))

inline pass(p) {
	if
	:: pending[p] && left[p] -> leftAge[p]++
	:: else -> leftAge[p] = 0
	fi;
	if
	:: fenced[p] ->
		fenceAge[p]++;
		if
		:: fenceAge[p] > LEASE -> fenced[p] = false; fenceAge[p] = 0
		:: else
		fi
	:: else
	fi;
	if
	:: age[p] < BOUND -> age[p]++
	:: else
	fi;
	if
	:: asked[p] < BOUND -> asked[p]++
	:: else
	fi;
	if
	:: since[p] < BOUND -> since[p]++
	:: else
	fi
}

active proctype Clock() {
end:	do
	:: d_step {
		inTime(0) && inTime(1) ->
		pass(0); pass(1);
		if
		:: quarantine ->
			quarantineAge++;
			if
			:: quarantineAge > LEASE -> quarantine = false; quarantineAge = 0
			:: else
			fi
		:: else
		fi;
		if
		:: stored && eShort ->
			eAge++;
			if
			:: eAge >= BOUND -> stored = false; eEpoch = 0; eNonce = 0; eValue = 0; eShort = false; eAge = 0
			:: else
			fi
		:: else
		fi;
#ifndef STRICT
		visibleAgo[2] = visibleAgo[1];
		visibleAgo[1] = visible
#endif
	}
	od
}

#define seenInTime visibleAgo[BOUND]

inline store(e, n, v, s, a) {
	if
	:: !(s && a >= BOUND) ->
		stored = true; eEpoch = e; eNonce = n; eValue = v; eShort = s; eAge = a
	:: else
	fi
}

/* The end of a miss: the entry is stored, late or never. */
inline finish(p) {
	if
	:: !dead[p] && rNonce[p] != 0 -> store(rEpoch[p], rNonce[p], rValue[p], rShort[p], since[p])
	:: true
	fi;
	rEpoch[p] = 0; rNonce[p] = 0; rValue[p] = 0; rShort[p] = false; since[p] = BOUND
}

#ifdef STRICT

#define open(p) (!anyFence && holds[p] == 0)

/* The versions under which an answer may be stored; none in quarantine. */
inline versions(p) {
	if
	:: open(p) && !quarantine -> rEpoch[p] = epoch; rNonce[p] = nonce
	:: else
	fi
}

proctype Reader(byte p) {
end:	do
	:: dead[p] -> break
	:: atomic {
		/* Current: one round trip. */
		!dead[p] && stored && eEpoch == epoch && eNonce == nonce && open(p) ->
#ifdef CAN_HIT
		assert(!(eValue == 2));
#endif
		assert(eValue >= visible);  /* own writes among them */
		assert(eValue >= returned);
		returned = MAX(returned, eValue)
	}
	:: !dead[p] ->
		/* A miss: the versions first, then the origin, then the entry. */
#ifdef LATE_VERSION
		atomic { rValue[p] = db; returned = MAX(returned, db) };
		atomic { versions(p) };
#else
		atomic { versions(p) };
		atomic { rValue[p] = db; returned = MAX(returned, db) };
#endif
		atomic { finish(p) }
	od
}

#else

#ifdef NO_LEASE
#define open(p) (cNonce[p] != 0 && holds[p] == 0)
#else
#define open(p) (cNonce[p] != 0 && holds[p] == 0 && age[p] < BOUND)
#endif

inline versions(p) {
	if
	:: open(p) -> rEpoch[p] = cEpoch[p]; rNonce[p] = cNonce[p]; rShort[p] = (quarantine && cEpoch[p] == epoch); since[p] = 0
	:: else
	fi
}

/* Bounded: the process asks now and then, hears messages, and uses what it knows while the lease lasts. */
proctype Reader(byte p) {
end:	do
	:: dead[p] -> break
	:: atomic {
		!dead[p] && stored && eEpoch == cEpoch[p] && eNonce == cNonce[p] && open(p) ->
#ifdef CAN_HIT
		assert(!(eValue == 2));
#endif
		assert(eValue >= seenInTime);
		assert(eValue >= own[p])
	}
	:: !dead[p] && open(p) ->
#ifdef LATE_VERSION
		rValue[p] = db;
		atomic { versions(p) };
#else
		atomic { versions(p) };
		rValue[p] = db;
#endif
		atomic { finish(p) }
	od
}

#ifdef LEASE_FROM_ANSWER
#define ANSWERED 0
#else
#define ANSWERED asked[p]
#endif

/* Poll and bus of a process. */
proctype Listener(byte p) {
	byte e, s, n;
end:	do
	:: dead[p] -> break
	:: atomic { !dead[p] && nempty(bus[p]) -> bus[p]?e, s, n; learn(p, e, s, n); e = 0; s = 0; n = 0 }
	:: atomic { !dead[p] && asked[p] == BOUND -> asked[p] = 0 };
		/* Redis answers */
		atomic {
			e = epoch; s = seq;
			if
			:: anyFence -> n = 0
			:: else -> n = nonce
			fi
		}
		/* the answer arrives in time, or is of no use */
		atomic {
			if
			:: !dead[p] && asked[p] < BOUND ->
				if
#ifdef OLD_BIRTH
				:: e != cEpoch[p] ->
#else
				:: e != cEpoch[p] && lostTo[p] != 0 && e != lostTo[p] -> skip
				:: e != cEpoch[p] && e == lostTo[p] ->
					cEpoch[p] = e; cSeq[p] = MAX(s, lostSeq[p]); cNonce[p] = 0; age[p] = ANSWERED
				:: e != cEpoch[p] && lostTo[p] == 0 ->
#endif
					cEpoch[p] = e; cSeq[p] = s; cNonce[p] = n; age[p] = ANSWERED
				:: e == cEpoch[p] -> learn(p, e, s, n); age[p] = ANSWERED
				fi
			:: true
			fi;
			e = 0; s = 0; n = 0; asked[p] = BOUND; lostTo[p] = 0; lostSeq[p] = 0
		}
	od
}

#endif

init {
	atomic {
		run Writer(0); run Writer(1);
		run Reader(0); run Reader(1);
#ifndef STRICT
		run Listener(0); run Listener(1);
#endif
	}
}
