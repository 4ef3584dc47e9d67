/*
 * A model of what becomes of a fence whose process is gone or stands still: who could still carry out the change behind it,
 * who asks the database for that, and who takes the fence down (holder.go, doubt.go, and settle in versions.lua). The rest of the protocol is in
 * versions.pml; README.md beside it says how to read both.
 *
 * There is one scope with one fence, which up to two changes share: they go over two sessions of the database, 0 and 1. Their
 * process may stop and go on, once, or die. Two other processes find out what became of the fence; one of them may die. A reader
 * misses and stores, or hits where Redis says that the version stands. Names that are not defined here are mutations: see run.sh.
 */

#define LEASE 2 /* ticks that a fence holds unrenewed, and more than a process that runs lets pass */

/* ---- The database ---- */
byte db;                /* changes that are visible */
bool serving[2];        /* the session is there */
#define NOT_SENT 0
#define UNDER_WAY 1     /* on the network, waiting for a lock, or about to commit */
#define DECIDED 2
byte change[2];

/* ---- The writers' process ---- */
#define RUNS 0
#define STANDS 1        /* it may go on */
#define DEAD 2
byte process;
bool stood;
bool open;              /* it believes that its fence is up */
bool uses[2];           /* the change needs the fence */
byte sinceSent;         /* ticks since it has sent the newest fence or renewal */

/* ---- Redis ---- */
byte ver = 1;
bool fence;
byte leaseAge;          /* ticks since the fence was set or renewed */
byte number;            /* of the process's registration */
bool named[2];          /* whom it names */
byte claim;             /* who finds out: 0 for nobody, 1 and 2 */
#define expired (leaseAge >= LEASE)
#ifdef LEASE_OPENS
#define shut (fence && !expired)
#else
#define shut fence
#endif

/* ---- Those who find out ---- */
#define IDLE 0
#define POLLED 1        /* has been told of the fence, with number and names */
#define OVER 2          /* the database has said that none of those is there */
byte asker[2];
byte guard[2];
bool asks0[2], asks1[2];
bool died[2];
#ifdef OLD_ANSWER
bool gone0[2], gone1[2], looked[2];
#endif

/* ---- A reader and what it has stored ---- */
byte rVer, rValue, rStep;
byte eVer, eValue;      /* 0: nothing */

inline setFence() {
	ver++; fence = true; leaseAge = 0; sinceSent = 0
}

inline register(s) {
	serving[s] = true;
#ifdef FORGETS_HOLDER
	if
	:: s == 0 -> number++; named[s] = true
	:: else
	fi
#else
	number++; named[s] = true
#endif
}

/* The fence goes if it is still the one that was asked about: not renewed, and nobody new can be behind it. */
inline settle(a) {
	if
#ifdef NO_GUARD
	:: fence && expired -> fence = false; ver++
#else
#ifdef RENEWED_TOO
	:: fence && guard[a] == number -> fence = false; ver++
#else
	:: fence && expired && guard[a] == number -> fence = false; ver++
#endif
#endif
	:: else
	fi;
	if :: claim == a + 1 -> claim = 0 :: else fi;
	asker[a] = IDLE; guard[a] = 0; asks0[a] = false; asks1[a] = false
}

init {
	do
	/* The first change: its session is registered along with its fence. */
	:: process == RUNS && !open && !uses[0] && change[0] == NOT_SENT && !fence -> atomic {
		register(0); setFence(); open = true; uses[0] = true
	   }
	/* Another one joins, while the fence cannot have ended by the process's own clock; its session is told of first. */
	:: process == RUNS && open && !uses[1] && change[1] == NOT_SENT && sinceSent < LEASE -> atomic {
		register(1); uses[1] = true
	   }
	/* A statement goes on its way, at any time after: the process may have stood still in between. */
	:: process == RUNS && uses[0] && change[0] == NOT_SENT && serving[0] -> change[0] = UNDER_WAY
	:: process == RUNS && uses[1] && change[1] == NOT_SENT && serving[1] -> change[1] = UNDER_WAY

	/* The database decides in its own time, whoever still waits for it. */
	:: change[0] == UNDER_WAY && serving[0] -> atomic { change[0] = DECIDED; db++ }
	:: change[1] == UNDER_WAY && serving[1] -> atomic { change[1] = DECIDED; db++ }
	/* A session ends, and what it had not committed with it. It does so at some time after its client has died. */
	:: serving[0] && (process == DEAD || uses[0] && change[0] != NOT_SENT) -> atomic { serving[0] = false; change[0] = DECIDED }
	:: serving[1] && (process == DEAD || uses[1] && change[1] != NOT_SENT) -> atomic { serving[1] = false; change[1] = DECIDED }

	/* The process learns the outcome; or has lost the connection, and asks itself until the session has gone. */
	:: process == RUNS && uses[0] && change[0] == DECIDED -> atomic {
		uses[0] = false; if :: !uses[1] -> fence = false; open = false; ver++; claim = 0 :: else fi
	   }
	:: process == RUNS && uses[1] && change[1] == DECIDED -> atomic {
		uses[1] = false; if :: !uses[0] -> fence = false; open = false; ver++; claim = 0 :: else fi
	   }
	/* It renews. What has been taken down meanwhile is set up again, under a new version. */
	:: process == RUNS && open && sinceSent > 0 -> atomic {
		if :: fence && !expired -> leaseAge = 0; sinceSent = 0 :: else -> setFence(); claim = 0 fi
	   }
	:: process == RUNS && !stood -> atomic { process = STANDS; stood = true }
	:: process == STANDS -> process = RUNS
	:: process != DEAD -> process = DEAD

	/* Time passes, for a process that runs no longer than it needs for a renewal. */
	:: fence && leaseAge < LEASE && (process != RUNS || sinceSent == 0) -> atomic { leaseAge++; if :: sinceSent < LEASE -> sinceSent++ :: else fi }

	/* Who polls is told of a fence whose lease has ended, unless somebody else has been. */
	:: fence && expired && asker[0] == IDLE && !died[0] && (claim == 0 || claim == 1) -> atomic {
		claim = 1; guard[0] = number; asks0[0] = named[0]; asks1[0] = named[1]; asker[0] = POLLED
	   }
	:: fence && expired && asker[1] == IDLE && !died[1] && (claim == 0 || claim == 2) -> atomic {
		claim = 2; guard[1] = number; asks0[1] = named[0]; asks1[1] = named[1]; asker[1] = POLLED
	   }
#ifdef OLD_ANSWER
	:: asker[0] == IDLE && !looked[0] -> atomic { gone0[0] = !serving[0]; gone1[0] = !serving[1]; looked[0] = true }
	:: asker[0] == POLLED && looked[0] -> atomic {
		if :: (!asks0[0] || gone0[0]) && (!asks1[0] || gone1[0]) -> asker[0] = OVER :: else -> asker[0] = IDLE fi; looked[0] = false
	   }
#else
	:: asker[0] == POLLED && (!asks0[0] || !serving[0]) && (!asks1[0] || !serving[1]) -> asker[0] = OVER
#endif
	:: asker[1] == POLLED && (!asks0[1] || !serving[0]) && (!asks1[1] || !serving[1]) -> asker[1] = OVER
	/* Something has changed since: asked again at the next poll. */
	:: asker[0] == POLLED && guard[0] != number -> asker[0] = IDLE
	:: asker[1] == POLLED && guard[1] != number -> asker[1] = IDLE
	:: asker[0] == OVER -> atomic { settle(0) }
	:: asker[1] == OVER -> atomic { settle(1) }
	/* One of them dies with what it has found out; its claim ends by itself. */
	:: asker[0] != IDLE && !died[0] && !died[1] -> atomic { asker[0] = IDLE; died[0] = true }
#ifndef CLAIM_STAYS
	:: died[0] && claim == 1 -> claim = 0
#endif

	/* A reader: the version, then the database, then the entry. */
	:: rStep == 0 && !shut && eVer != ver -> atomic { rVer = ver; rStep = 1 }
	:: rStep == 1 -> atomic { rValue = db; rStep = 2 }
	:: rStep == 2 -> atomic { eVer = rVer; eValue = rValue; rVer = 0; rValue = 0; rStep = 0 }
	/* A hit. */
	:: eVer == ver && !shut ->
#ifdef CAN_HIT
		assert(!(eValue == 2 && process == DEAD)); /* no mutation: it shows that such answers are hit at all */
#endif
		assert(eValue == db); break

	/* Nothing more can happen: no fence may be left of a process that is gone. */
	:: timeout -> assert(!fence || process != DEAD); break
	od
}
