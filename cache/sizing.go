package cache

import (
	"math"

	"github.com/coocood/freecache"
)

// slot is freecache's index entry, which lies beside the ring but within what an
// operator sees as its memory, in bytes.
const slot = 16

// L1Entries is how many entries of avgBytes on average (the key, the value, and what
// an entry carries besides: 32 bytes and 8 for each table) an L1 of budget bytes keeps
// until their time ends. freecache divides its memory into 256 segments, over which
// keys fall by chance; so that few segments overflow, one standard deviation is left
// free in each. It is zero if either is not positive.
func L1Entries(avgBytes, budget int64) int64 {
	if avgBytes <= 0 || budget <= 0 {
		return 0
	}
	n := float64(budget) / arenaSegments / float64(avgBytes+freecache.ENTRY_HDR_SIZE+slot)
	return int64(arenaSegments * max(n-math.Sqrt(n), 0))
}

// L1Size is the reverse: the bytes that an L1 needs to keep so many entries, at least
// freecache's least.
func L1Size(avgBytes, entries int64) int64 {
	if avgBytes <= 0 || entries <= 0 {
		return 0
	}
	root := (1 + math.Sqrt(1+4*float64(entries)/arenaSegments)) / 2
	size := math.Ceil(root * root * arenaSegments * float64(avgBytes+freecache.ENTRY_HDR_SIZE+slot))
	if size >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(int64(size), minMemory)
}
