/*
 * A model of the protocol of package invalidation, for exhaustive checking with spin (spinroot.com). README.md beside it
 * says how to read it, what is left out, and what was found.
 *
 * There are two processes, 0 and 1, a database, a Redis, and one scope. Each process has a writer, which changes the
 * database once. There is a reader that misses and stores, and one that hits. In bounded use process 1 also polls and
 * hears messages. The model is one loop: in each turn one of the actions that are possible is taken, so that every
 * interleaving is looked at.
 *
 * -DSTRICT: fences are waited for, and each hit is checked with Redis. Otherwise (bounded) fences are sent alongside, a
 * release may overtake its fence, and a hit is checked against the process's own cell, under the lease.
 * For smaller searches: NO_LOSS (Redis forgets nothing), NO_BUS (every message is lost), QUICK_POLL (an answer to a poll
 * arrives at once), NO_WRITER0 and NO_WRITER1. SHARED, in strict use: both writers are of one process, and whoever finds
 * the other's fence up relies on that. Each other name that is not defined here is a mutation: see run.sh.
 */

#define BOUND 1  /* ticks that an answer may be old */
#define HALF 1   /* ticks within which a fence is renewed, and a change is decided whose client is away */
#define LEASE 2  /* ticks that a fence holds unrenewed */

/* ---- The database and its clients, the writers ---- */

#define IDLE 0   /* nothing done yet */
#define FENCED 1 /* fence sent, in strict use answered */
#define SENT 2   /* the COMMIT is on its way: the database decides in its own time */
#define OVER 3   /* the outcome is known, or never will be: to be released */
#define TOLD 4   /* Redis has carried out the release, the answer is under way */
#define END 5    /* done, or dead */

byte w[2];              /* the writers' steps */
bool pending[2];        /* the database has the COMMIT and has not decided */
bool away[2];           /* while pending: nobody renews the fence (the client died, stopped, or gave up waiting) */
byte awayFor[2];        /* ticks of that */
byte value[2];          /* what the writer's change became, once visible; 0 before, and when it was rolled back */
bool unknown[2];        /* the writer does not know the outcome */
#ifdef SHARED
bool guest[2];          /* the other's fence stands for this writer as well */
bool stays;             /* the outcome is unknown of one that has left a shared fence */
#define open(p) (w[p] >= FENCED && w[p] <= OVER)
#define host(p) (guest[p] -> 1-(p) : (p))
#define shared(p) ((guest[p] || guest[1-p]) && open(1-p))
#define needed(p) (open(p) && !guest[p] || guest[1-p] && open(1-p))
#else
#define host(p) p
#define needed(p) (w[p] == FENCED || w[p] == SENT)
#endif
bool refenced;          /* one stop before a COMMIT is enough to look at */
byte db;                /* the newest value that is visible */

/* ---- Redis ---- */

byte ver = 1;           /* the version: birth and nonce in one, since both change when everything is lost */
byte birth = 1;
byte seq;
bool fenced[2];
byte leaseAge[2];       /* ticks since the fence was last renewed, by the client's reckoning as well */
bool flying[2];         /* a fence command in a socket: it survives its sender */
bool quarantine;
byte quarantineAge;
byte losses;            /* that may still happen */

/* ---- A miss, and the entry that it stores ----
   Nothing depends on an entry but a hit, and a wrong hit needs one entry and one miss that stored it. So one is enough;
   it may be given up for another one at any time. */
byte eVer;              /* the version that it is stored under; 0: there is none */
bool answered;          /* the origin has answered: it can be found, */
byte eValue;            /* with this */
bool eShort;            /* not to be used longer than BOUND, */
byte eAge;              /* counted from when its version was read */
#ifdef LATE_QUARANTINE
bool read;
#endif

#ifndef STRICT
/* Of process 1, the one that is looked at: */
byte cVer, cSeq;        /* the cell: 0 is unknown or fenced */
byte known;             /* the birth known; 0: none yet */
byte age = BOUND;       /* ticks since the last question that found the process up to date was sent; BOUND: too long ago */
bool lost;              /* another birth was seen: only a poll that cannot be older brings versions back */
byte lostBirth, lostSeq;
#define NOTASKED 0
#define ASKED 1
#define ANSWERED 2
byte poll, pollAge;
bool noticed;           /* a loss was noticed while the question was under way */
byte aBirth, aSeq, aVer;  /* the answer to it */
byte nBirth, nSeq, nVer;  /* the answer to a release */
bool news;                /* a message on its way */
byte mBirth, mSeq, mVer;
byte own;               /* what the writer knows to be visible */
#endif

/* ---- What must be seen (bounded): visible with Redis told of it, now and BOUND ticks ago ---- */
bool told[2];           /* Redis has had the fence or the release */
#ifndef STRICT
byte seen, seen1;
#endif

#define MAX(a, b) ((a) > (b) -> (a) : (b))
#define anyFence (fenced[0] || fenced[1])
#define held(p) (w[p] >= FENCED && w[p] <= TOLD)   /* the process's own cell is shut */
#define shown (anyFence -> 0 : ver)                /* what Redis answers */

#ifdef NO_HOLD
#undef held
#define held(p) false
#endif

/* Who remembers version v? Redis, cells, and what is under way to them: */
#ifdef STRICT
#define current(v) ((v) == ver)
#else
#define current(v) ((v) == ver || (v) == cVer || (v) == aVer || (v) == nVer || (v) == mVer)
#endif
/* and what would be compared with them. */
#define kept(v) ((v) == eVer)

/* A new version is one that nobody remembers: random numbers never come back. To take the smallest such number keeps the
   number of states small. */
inline newVersion() {
#ifdef COUNTER
	ver = seq + 1;
#else
	n = 1;
	do
	:: current(n) || kept(n) -> n++
	:: else -> break
	od;
	ver = n; n = 0;
#endif
}

inline noEntry() {
#ifdef LATE_QUARANTINE
	read = false;
#endif
	eVer = 0; answered = false; eValue = 0; eShort = false; eAge = 0
}

/* For the same reason what can never be found current again is forgotten. */
inline tidy() {
#if !defined(COUNTER) && !defined(LATE_VERSION)
	if
	:: eVer != 0 && !current(eVer) -> noEntry()
	:: else
	fi
#else
	skip
#endif
}

inline bump() {
#if defined(COUNTER) || !defined(STRICT)
	seq++
#else
	skip   /* the order of answers is of no interest */
#endif
}

/* Redis knows of the change, if it is one. */
inline tell(p) {
#ifndef STRICT
	told[p] = true;
	seen = MAX(seen, value[p])
#else
	skip
#endif
}

/* Redis carries out a fence command. */
inline doFence(p) {
#ifndef NO_FENCE
#ifndef NO_NONCE_AT_FENCE
	bump();
	newVersion();
#endif
	fenced[p] = true;
#endif
	leaseAge[p] = 0;
	tell(p)
}

/* What the process p knew is gone with it, or is of no interest any more. */
inline forgetChange(p) {
	unknown[p] = false;
	if
	:: !pending[p] && !flying[p] -> value[p] = 0; told[p] = false; away[p] = false; awayFor[p] = 0
	:: else
	fi
}

#ifndef STRICT
/* ---- What process 1 hears of Redis: package invalidation's learn, header, noteLost, adopt, apply ---- */

inline set(s, v) {
#ifdef OLD_NEWS
	cSeq = s; cVer = v
#else
	if
	:: s >= cSeq -> cSeq = s; cVer = v
	:: else
	fi
#endif
}

/* The version comes with another question, which can be answered at the same moment. */
inline adopt(b, s, v) {
	known = b; lost = false; lostBirth = 0; lostSeq = 0;
	cVer = v; cSeq = s
}

inline learn(b, s, v) {
	if
	:: known == 0 -> adopt(b, s, v); noticed = (poll != NOTASKED)
	:: known != 0 && lost ->
		if
		:: b == lostBirth -> lostSeq = MAX(lostSeq, s)
		:: b != lostBirth && b != known -> lostBirth = b; lostSeq = s; noticed = (poll != NOTASKED)
		:: else
		fi
	:: known != 0 && !lost && b != known ->
		lost = true; age = BOUND; cVer = 0; cSeq = 0; lostBirth = b; lostSeq = s; noticed = (poll != NOTASKED)
	:: known != 0 && !lost && b == known -> set(s, v)
	fi
}

#endif

/* ---- The actions of a writer ---- */

/* Before the COMMIT is sent the process may have stopped for any time. The fence must be good for long enough: the
   process asks its own clock, not Redis. */
#ifdef NO_CHECK
#define good(p) true
#else
#define good(p) (leaseAge[host(p)] <= HALF)
#endif

inline fence(p) {
	w[p] == IDLE ->
#ifdef SHARED
	if
	:: open(1-p) && !guest[1-p] && good(1-p) -> guest[p] = true
	:: else -> doFence(p)
	fi;
	w[p] = FENCED
#elif defined(STRICT)
	w[p] = FENCED;
	doFence(p)
#else
	w[p] = FENCED;
	flying[p] = true; leaseAge[p] = 0
#endif
}

inline refence(p) {
	w[p] == FENCED && !good(p) && !refenced ->
	refenced = true;
	doFence(host(p))   /* this is waited for, in bounded use too */
}

inline send(p) {
	w[p] == FENCED && good(p) ->
	w[p] = SENT; pending[p] = true
}

/* The client stops, or its connection breaks. */
inline leave(p) {
	w[p] == SENT && pending[p] && !away[p] -> away[p] = true; awayFor[p] = 0
}

inline giveUp(p) {
	w[p] == SENT && away[p] -> w[p] = OVER; unknown[p] = true
}

/* The release. When Redis cannot be told for some time the writer stays in this step, with its cell shut: the caller
   may have gone on. It does not wait for the fence's command. */
inline release(p, sent) {
	w[p] == OVER ->
	bump();
	if
	:: value[p] != 0 || unknown[p] -> newVersion()
	:: else   /* rolled back */
	fi;
#ifdef SHARED
	stays = stays || unknown[p];
	if
#ifndef FIRST_LEAVER_OPENS
	:: shared(p)   /* what stands for both stays until the last leaves */
#endif
	:: else ->
#ifndef UNKNOWN_OPENS
		fenced[host(p)] = stays;
#else
		fenced[host(p)] = unknown[p];
#endif
		leaseAge[host(p)] = 0
	fi;
#else
#ifndef UNKNOWN_OPENS
	fenced[p] = unknown[p];
#else
	fenced[p] = false;
#endif
	leaseAge[p] = 0;
#endif
#ifdef FIRST_RELEASE_OPENS
	fenced[1-p] = false;
#endif
	tell(p);
#ifdef STRICT
	w[p] = END;
	forgetChange(p)
#else
	if
	:: p == 0 ->
		w[p] = END;
		forgetChange(p);
#ifndef NO_BUS
		if
		:: sent && !news -> news = true; mBirth = birth; mSeq = seq; mVer = shown
		:: else   /* lost, with the bus as well */
		fi
#endif
	:: else ->
#ifdef NO_LOSS
		/* No hit comes before the answer, and until then what it says can only be joined by what is newer. */
		learn(birth, seq, shown);
		w[p] = END;
		forgetChange(p)
#else
		w[p] = TOLD; nBirth = birth; nSeq = seq; nVer = shown
#endif
	fi
#endif
}

inline die(p) {
	if
	:: pending[p] && !away[p] -> away[p] = true; awayFor[p] = 0
	:: else
	fi;
	w[p] = END;
	forgetChange(p)
}

inline kill(p) {
#ifdef SHARED
	w[p] != END || w[1-p] != END ->
	die(1-p);
#else
	w[p] != END ->
#endif
	die(p)
}

/* ---- The database ---- */

inline decide(p, yes) {
	pending[p] ->
	pending[p] = false;
	if
	:: yes ->
		db++; value[p] = db;
#ifndef STRICT
		if
		:: told[p] -> seen = MAX(seen, value[p])
		:: else
		fi
#endif
	:: else
	fi;
	if
	:: w[p] == END -> forgetChange(p)
	:: w[p] == SENT ->
		/* The client hears of it; if that takes long, so would what it does then. */
		w[p] = OVER; away[p] = false; awayFor[p] = 0;
#ifndef STRICT
		if
		:: p == 1 -> own = MAX(own, value[p])
		:: else
		fi
#endif
	:: else
	fi
}

/* ---- Redis ---- */

#ifndef STRICT
/* A fence that comes after its release finds what the release left for it and does nothing, or, when that is gone,
   stands until its lease ends. Or the connection breaks, and it never comes. */
inline land(p) {
	flying[p] ->
	flying[p] = false;
	doFence(p);
	if
	:: w[p] == END -> forgetChange(p)
	:: else
	fi
}

inline sink(p) {
	flying[p] ->
	flying[p] = false;
	if
	:: w[p] == END -> forgetChange(p)
	:: else
	fi
}
#endif

/* A live writer's renewal. It sets again what was lost. */
inline renew(p) {
	!flying[p] && (w[p] == FENCED && fenced[host(p)] && leaseAge[host(p)] > 0 || w[p] == SENT && pending[p] && !away[p] && (leaseAge[host(p)] > 0 || !fenced[host(p)])) ->
	if
	:: fenced[host(p)] -> leaseAge[host(p)] = 0
	:: else -> doFence(host(p))
	fi
}

inline lose() {
	losses > 0 ->
	losses--;
	fenced[0] = false; fenced[1] = false;
	seq = 0;
	newVersion();
#ifndef COUNTER
	birth++;
#endif
#ifndef NO_QUARANTINE
	quarantine = true; quarantineAge = 0
#endif
}

/* ---- A tick of time. It does not come before what is promised to be quicker. ---- */

#define decided(p) (!(pending[p] && away[p] && awayFor[p] >= HALF))
#define renewed(p) (!(w[p] == SENT && pending[p] && !away[p] && !flying[p] && leaseAge[host(p)] >= HALF))
#define again(p) (!(w[p] == SENT && pending[p] && !away[p] && !flying[p] && !fenced[host(p)] && quarantine && quarantineAge >= HALF))
#ifdef STRICT
#define inTime(p) (decided(p) && renewed(p) && again(p))
#else
/* A fence that was written to a socket comes, or is lost, before its lease would have ended. */
#define inTime(p) (decided(p) && renewed(p) && again(p) && !(flying[p] && leaseAge[p] >= HALF && w[p] >= SENT))
#endif

inline older(p) {
	if
	:: pending[p] && away[p] -> awayFor[p]++
	:: else
	fi;
	if
	:: fenced[p] || needed(p) || flying[p] ->
		if
		:: leaseAge[p] <= (fenced[p] -> LEASE : HALF) -> leaseAge[p]++
		:: else
		fi;
		if
		:: leaseAge[p] > LEASE -> fenced[p] = false
		:: else
		fi;
		if
		:: !fenced[p] && !(needed(p) || flying[p]) -> leaseAge[p] = 0
		:: else
		fi
	:: else -> leaseAge[p] = 0
	fi
}

inline tick() {
	inTime(0) && inTime(1) ->
	older(0); older(1);
	if
	:: quarantine ->
		quarantineAge++;
		if
		:: quarantineAge > LEASE -> quarantine = false; quarantineAge = 0
		:: else
		fi
	:: else
	fi;
#ifndef STRICT
	if
	:: age < BOUND -> age++
	:: else
	fi;
	if
	:: poll != NOTASKED && pollAge < BOUND -> pollAge++
	:: else
	fi;
	if
	:: eShort ->
		eAge++;
		if
		:: eAge >= BOUND -> noEntry()
		:: else
		fi
	:: else
	fi;
	seen1 = seen
#endif
}

/* ---- Readers: a miss ----
   Whoever it is takes the version from Redis, at any time while it is current, and asks the origin at any time after. A
   process can only do less: it takes it from its cell, which had it from Redis, under its lease and its holds. The entry
   is there at once: to store it late is to let it be found later only. */

#ifdef STRICT
#define mayKeep (!quarantine)
#else
#define mayKeep true
#endif
#ifdef DIRTY
#define READ (db + (w[0] == IDLE))   /* inside a writer's transaction, which is not fenced before its COMMIT */
#else
#define READ db
#endif

#ifdef LATE_VERSION
inline begin() {
	noEntry();
	answered = true; eValue = db
}
inline answer() {
	answered && eVer == 0 && !anyFence && mayKeep -> eVer = ver
}
#else
inline begin() {
#ifdef LATE_QUARANTINE
	!anyFence ->
#else
	!anyFence && mayKeep ->
#endif
	noEntry();
	eVer = ver;
#if !defined(STRICT) && !defined(LATE_QUARANTINE)
	eShort = quarantine
#endif
}
#ifdef LATE_QUARANTINE
/* Mutation: whether it is quarantine is judged when the answer is stored. */
inline answer() {
	eVer != 0 && !answered && !read -> read = true; eValue = db
}
inline late() {
	read && mayKeep -> read = false; answered = true
#ifndef STRICT
	; eShort = quarantine
#endif
}
#else
inline answer() {
	eVer != 0 && !answered -> answered = true; eValue = READ
}
#endif
#endif

/* ---- Readers: a hit ---- */

#ifdef STRICT
/* One round trip. Linearizable: what was visible, and so what any reader has returned, own writes among them. */
inline hit() {
	answered && eVer == ver && !anyFence ->
#ifdef CAN_HIT
	assert(!(eValue == 2));
#endif
	assert(eValue >= db);
	assert(eValue <= db)   /* nothing uncommitted */
}
#else
#ifdef NO_LEASE
#define inLease true
#else
#define inLease (age < BOUND)
#endif
inline hit() {
	answered && cVer != 0 && eVer == cVer && !held(1) && inLease ->
#ifdef CAN_HIT
	assert(!(eValue == 2));
#endif
	assert(eValue >= own);          /* own writes */
	assert(eValue >= seen1);   /* the bound */
	assert(eValue <= db)            /* nothing uncommitted */
}

/* ---- What process 1 hears of Redis ---- */

/* The answer to a release. */
inline learnRelease() {
	w[1] == TOLD ->
	learn(nBirth, nSeq, nVer);
	nBirth = 0; nSeq = 0; nVer = 0;
	w[1] = END;
	forgetChange(1)
}

inline receive() {
	news ->
	news = false;
	if
	:: mBirth == known && !lost -> set(mSeq, mVer)
	:: else
	fi;
	mBirth = 0; mSeq = 0; mVer = 0
}

inline ask() {
	poll == NOTASKED -> poll = ASKED; pollAge = 0; noticed = false
}

inline redisAnswers() {
	poll == ASKED -> poll = ANSWERED; aBirth = birth; aSeq = seq; aVer = shown
}

#ifdef LEASE_FROM_ANSWER
#define LEASED 0
#else
#define LEASED pollAge
#endif

inline learnPoll() {
	poll == ANSWERED ->
	if
#ifdef OLD_BIRTH
	:: lost || aBirth != known -> adopt(aBirth, aSeq, aVer); age = LEASED
#else
	:: lost && aBirth == lostBirth && aSeq >= lostSeq -> adopt(aBirth, aSeq, aVer); age = LEASED
	:: lost && aBirth == lostBirth && aSeq < lostSeq -> n = lostSeq; adopt(aBirth, n, 0); n = 0; age = LEASED
	:: (lost && aBirth != lostBirth || !lost && aBirth != known) && !noticed -> adopt(aBirth, aSeq, aVer); age = LEASED
	:: (lost && aBirth != lostBirth || !lost && aBirth != known) && noticed   /* of no use */
#endif
	:: !lost && aBirth == known -> set(aSeq, aVer); age = LEASED
	fi;
	poll = NOTASKED; pollAge = 0; noticed = false; aBirth = 0; aSeq = 0; aVer = 0
}
#endif

#define ACT(action) :: d_step { action; tidy() }
#define BOTH(action) ACT(action(0)) ACT(action(1))

active proctype System() {
	byte n;
#ifndef NO_LOSS
	losses = 1;
#endif
#ifdef NO_WRITER0
	w[0] = END;
#endif
#ifdef NO_WRITER1
	w[1] = END;
#endif
end:	do
	BOTH(fence) BOTH(refence) BOTH(send) BOTH(leave) BOTH(giveUp)
	ACT(release(0, true)) ACT(release(0, false)) ACT(release(1, true))
	ACT(kill(0))
	ACT(decide(0, true)) ACT(decide(0, false)) ACT(decide(1, true)) ACT(decide(1, false))
	BOTH(renew) ACT(lose()) ACT(tick())
	ACT(begin()) ACT(answer()) ACT(hit())
#ifdef LATE_QUARANTINE
	ACT(late())
#endif
#ifdef STRICT
	ACT(kill(1))
#else
	BOTH(land) BOTH(sink)
	ACT(learnRelease()) ACT(receive()) ACT(ask())
#ifdef QUICK_POLL
	ACT(redisAnswers(); learnPoll())
#else
	ACT(redisAnswers()) ACT(learnPoll())
#endif
#endif
	od
}
