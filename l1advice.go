package mlcache

import (
	"fmt"
	"time"

	"github.com/mlcache/mlcache/cache"
)

// L1Verdict says in one word how the memory of L1 suits what is asked for.
type L1Verdict string

const (
	// L1Off: there is no L1.
	L1Off L1Verdict = "off"
	// L1Unknown: too little has been stored to say.
	L1Unknown L1Verdict = "unknown"
	// L1TooSmall: answers make way for others while they could still be used.
	L1TooSmall L1Verdict = "too_small"
	// L1Fits: answers stay until they end.
	L1Fits L1Verdict = "fits"
	// L1TooBig: less than a quarter of the memory has ever been needed.
	L1TooBig L1Verdict = "too_big"
)

// L1Advice is what the counts since the start say of the size of L1.
type L1Advice struct {
	// Verdict is the advice in one word, and Text in one sentence.
	Verdict L1Verdict
	Text    string
	// Size is what L1 may take, and Suggested what it should, in bytes, rounded up to
	// 1 MiB; 0 where there is nothing to suggest.
	Size, Suggested int64
	// Entries is how many there are, those that have ended and have not been found
	// out included, and EntryBytes what one takes on average, with its key.
	Entries, EntryBytes int64
	// Stored is how many were stored. Displaced is how often one that had not
	// ended was in the way of a new one: it was lost or, if it was used lately, moved.
	// Expired were found to have ended, which costs nothing.
	Stored, Displaced, Expired int64
}

// What the verdicts stand on.
const (
	adviseFrom      = 1000 // entries stored, before anything is said
	displacedOneIn  = 20   // of the entries stored: more are too many
	tooBigOneIn     = 4    // of the size: who needs less has too much
	adviseAfterTTLs = 2    // have passed before an L1 counts as too big
	suggestRoom     = 2    // times what is needed now
)

// L1Advice says whether L1 is too small or too big for what this process has been
// asked for since it started, and which mlcache_l1_size would suit it. Ask for it when the program
// has been under its usual load for some multiples of mlcache_l1_ttl. (mlcache doctor --size
// estimates a size before there is a process to ask.)
func (h *Handle) L1Advice() L1Advice {
	e := h.connector.current()
	return e.l1Advice(time.Since(e.started))
}

func (e *engine) l1Advice(up time.Duration) L1Advice {
	m := e.l1
	if m == nil {
		return L1Advice{Verdict: L1Off, Text: "there is no L1: mlcache_l1_size is 0"}
	}
	a := L1Advice{Size: m.Size(), Entries: m.Len(), Displaced: m.Evictions(), Expired: m.Expired()}
	var bytes int64
	a.Stored, bytes = m.Stored()
	if a.Stored > 0 {
		a.EntryBytes = bytes / a.Stored
	}
	needed := cache.L1Size(a.EntryBytes, a.Entries)
	switch {
	case a.Stored < adviseFrom:
		a.Verdict = L1Unknown
		a.Text = fmt.Sprintf("only %d answers have been stored since the start; ask again under load", a.Stored)
	case a.Displaced*displacedOneIn > a.Stored:
		a.Verdict = L1TooSmall
		// What is stored in one time to live, if that is known to be more.
		live := float64(a.Stored) * min(1, e.cfg.L1TTL.Seconds()/up.Seconds())
		a.Suggested = mebibytes(max(suggestRoom*a.Size, cache.L1Size(a.EntryBytes, int64(live))))
		a.Text = fmt.Sprintf("%d answers were in the way of others before their end, for %d stored: raise mlcache_l1_size to %dMiB, or lower mlcache_l1_ttl",
			a.Displaced, a.Stored, a.Suggested>>20)
	case needed*tooBigOneIn < a.Size && up > adviseAfterTTLs*e.cfg.L1TTL && mebibytes(suggestRoom*needed) < a.Size:
		a.Verdict = L1TooBig
		a.Suggested = mebibytes(suggestRoom * needed)
		a.Text = fmt.Sprintf("%d answers of %d bytes are all that it holds: mlcache_l1_size=%dMiB is enough", a.Entries, a.EntryBytes, a.Suggested>>20)
	default:
		a.Verdict = L1Fits
		a.Text = "answers stay until they end"
	}
	return a
}

// mebibytes rounds up.
func mebibytes(n int64) int64 { return (n + 1<<20 - 1) >> 20 << 20 }
