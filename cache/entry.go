package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
)

// An entry's bytes, integers in little-endian order:
//
//	0   2  magic "ML"
//	2   1  format version
//	3   1  flags, the caller's
//	4   2  number of stamps n
//	6   2  zero
//	8   8  stored at, Unix milliseconds
//	16  8  deadline, Unix milliseconds, 0 for none
//	24  8n stamps
//	    …  payload
//	    8  xxhash64 of everything before it
const (
	entryMagic0  = 'M'
	entryMagic1  = 'L'
	entryVersion = 1

	offFlags    = 3
	offCount    = 4
	offReserved = 6
	offStored   = 8
	offDeadline = 16
	offStamps   = 24
	stampSize   = 8
	sumSize     = 8

	// entryMagic is the first, second and third byte as one number, so that
	// the hot path compares once.
	entryMagic     = entryMagic0 | entryMagic1<<8 | entryVersion<<16
	entryMagicMask = 1<<24 - 1
)

// MaxStamps is the largest number of stamps that an entry can carry.
const MaxStamps = math.MaxUint16

var (
	// ErrCorrupt is returned when bytes are no entry that this version of the
	// package wrote, whole and unchanged.
	ErrCorrupt = errors.New("mlcache: corrupt cache entry")

	// ErrStamps is returned by AppendHeader when a stamp is zero, which means
	// "unknown" and so must never be stored, or when there are more than MaxStamps.
	ErrStamps = errors.New("mlcache: entry has an unknown stamp or too many stamps")
)

// Header is what an entry says about its payload.
type Header struct {
	// Stamps are the versions of everything that the payload depends on, as
	// they were before it was computed. The caller gives them meaning and a fixed order.
	// Zero stands for "unknown" and is never valid. An entry without stamps
	// depends on nothing but its deadline.
	Stamps []uint64

	// StoredAt is when the payload was computed, in Unix milliseconds.
	// It is information only.
	StoredAt int64

	// Deadline is the Unix millisecond from which on the entry is no longer good.
	// Zero means that it has no end of its own. Levels of the cache round
	// times to live; the deadline is exact, as far as the clocks of the
	// machines that share an entry agree.
	Deadline int64

	// Flags are the caller's own; this package does not read them.
	Flags uint8
}

// AppendHeader appends the head of an entry to dst. The caller appends the
// payload to the result, in place, and then calls FinishEntry. It returns
// ErrStamps, and dst unchanged, if the stamps cannot be stored.
func AppendHeader(dst []byte, h *Header) ([]byte, error) {
	if len(h.Stamps) > MaxStamps {
		return dst, ErrStamps
	}
	for _, s := range h.Stamps {
		if s == 0 {
			return dst, ErrStamps
		}
	}
	dst = append(dst, entryMagic0, entryMagic1, entryVersion, h.Flags)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(h.Stamps)))
	dst = append(dst, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.StoredAt))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Deadline))
	for _, s := range h.Stamps {
		dst = binary.LittleEndian.AppendUint64(dst, s)
	}
	return dst, nil
}

// FinishEntry completes the entry that starts at dst[start], where AppendHeader
// began it, by appending its checksum.
func FinishEntry(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(dst[start:]))
}

// AppendEntry appends a whole entry to dst, for a payload that exists already.
// It returns ErrStamps, and dst unchanged, if the stamps cannot be stored.
func AppendEntry(dst []byte, h *Header, payload []byte) ([]byte, error) {
	start := len(dst)
	dst, err := AppendHeader(dst, h)
	if err != nil {
		return dst, err
	}
	return FinishEntry(append(dst, payload...), start), nil
}

// Verify tells whether b is a whole and undamaged entry. It is for bytes that
// come from outside the process, and must be asked before Match is: the
// checksum finds damage by accident, not forgery. Any error is ErrCorrupt
// with a reason.
func Verify(b []byte) error {
	if len(b) < offStamps+sumSize {
		return fmt.Errorf("%w: %d bytes", ErrCorrupt, len(b))
	}
	if binary.LittleEndian.Uint32(b)&entryMagicMask != entryMagic {
		return fmt.Errorf("%w: unknown format", ErrCorrupt)
	}
	if binary.LittleEndian.Uint16(b[offReserved:]) != 0 {
		return fmt.Errorf("%w: reserved bytes in use", ErrCorrupt)
	}
	end := offStamps + stampSize*int(binary.LittleEndian.Uint16(b[offCount:]))
	if end > len(b)-sumSize {
		return fmt.Errorf("%w: stamps beyond the end", ErrCorrupt)
	}
	body := b[:len(b)-sumSize]
	if binary.LittleEndian.Uint64(b[len(body):]) != xxhash.Sum64(body) {
		return fmt.Errorf("%w: checksum differs", ErrCorrupt)
	}
	for at := offStamps; at < end; at += stampSize {
		if binary.LittleEndian.Uint64(b[at:]) == 0 {
			return fmt.Errorf("%w: unknown stamp", ErrCorrupt)
		}
	}
	return nil
}

// ParseEntry verifies b as Verify does and takes it apart. The payload aliases b.
func ParseEntry(b []byte) (Header, []byte, error) {
	if err := Verify(b); err != nil {
		return Header{}, nil, err
	}
	h := Header{
		StoredAt: int64(binary.LittleEndian.Uint64(b[offStored:])),
		Deadline: int64(binary.LittleEndian.Uint64(b[offDeadline:])),
		Flags:    b[offFlags],
	}
	end := offStamps
	if n := int(binary.LittleEndian.Uint16(b[offCount:])); n > 0 {
		h.Stamps = make([]uint64, n)
		for i := range h.Stamps {
			h.Stamps[i] = binary.LittleEndian.Uint64(b[end:])
			end += stampSize
		}
	}
	return h, payloadOf(b, end), nil
}

// Match returns the payload of an entry that is still good: its stamps are
// exactly the given ones, in number, order and value, none of them is zero,
// and nowUnixMilli is before its deadline. Anything else is (nil, false).
//
// Match is the hot path for bytes from this process's own memory. It
// allocates nothing and leaves the checksum alone, but it stays within b and
// does not panic whatever b holds. The payload aliases b.
func Match(b []byte, stamps []uint64, nowUnixMilli int64) (payload []byte, ok bool) {
	if len(b) < offStamps+sumSize ||
		binary.LittleEndian.Uint32(b)&entryMagicMask != entryMagic ||
		int(binary.LittleEndian.Uint16(b[offCount:])) != len(stamps) {
		return nil, false
	}
	end := offStamps + stampSize*len(stamps)
	if end > len(b)-sumSize {
		return nil, false
	}
	if d := int64(binary.LittleEndian.Uint64(b[offDeadline:])); d != 0 && nowUnixMilli >= d {
		return nil, false
	}
	stored := b[offStamps:end]
	for _, s := range stamps {
		if s == 0 || len(stored) < stampSize || binary.LittleEndian.Uint64(stored) != s {
			return nil, false
		}
		stored = stored[stampSize:]
	}
	return payloadOf(b, end), true
}

// isEntry says whether b begins as an entry does and is as long as the shortest one.
func isEntry(b []byte) bool {
	return len(b) >= offStamps+sumSize && binary.LittleEndian.Uint32(b)&entryMagicMask == entryMagic
}

// Deadline returns an entry's deadline in Unix milliseconds, zero for none or
// when b is no entry. It does not verify b.
func Deadline(b []byte) int64 {
	if !isEntry(b) {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b[offDeadline:]))
}

// StoredAt returns when an entry's payload was computed, in Unix milliseconds, zero
// when b is no entry. It does not verify b.
func StoredAt(b []byte) int64 {
	if !isEntry(b) {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b[offStored:]))
}

// Flags returns an entry's flags, zero when b is no entry. It does not verify b.
func Flags(b []byte) uint8 {
	if !isEntry(b) {
		return 0
	}
	return b[offFlags]
}

// SetDeadline replaces the deadline of a good entry in place and renews its
// checksum. It is for an entry that moves to a level with a shorter time to live.
// Bytes that are no entry stay as they are.
func SetDeadline(b []byte, deadline int64) {
	if !isEntry(b) {
		return
	}
	binary.LittleEndian.PutUint64(b[offDeadline:], uint64(deadline))
	at := len(b) - sumSize
	binary.LittleEndian.PutUint64(b[at:], xxhash.Sum64(b[:at]))
}

// payloadOf has its capacity clipped, so that appending to a payload cannot
// overwrite the checksum.
func payloadOf(b []byte, start int) []byte {
	end := len(b) - sumSize
	return b[start:end:end]
}
