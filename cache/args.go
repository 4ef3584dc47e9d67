package cache

import (
	"encoding/binary"
	"math"
	"time"
)

// Tags of encoded arguments. Each Go type has its own, so that int(1), int64(1),
// "1" and true are four different keys: an origin may treat them differently.
const (
	argNil = iota + 1
	argFalse
	argTrue
	argInt
	argInt8
	argInt16
	argInt32
	argInt64
	argUint
	argUint8
	argUint16
	argUint32
	argUint64
	argFloat32
	argFloat64
	argString
	argBytes
	argNilBytes
	argTime

	// ArgUserTags is the first tag that AppendArg does not use. A caller that
	// encodes other types puts this tag or a higher one before them.
	ArgUserTags = 64
)

// AppendArg appends an exact encoding of a query argument to dst. Two arguments
// have the same encoding only if they have the same type and no origin can tell them apart, and
// no encoding is a prefix of another, so that a concatenation of
// arguments is exact too.
//
// It takes nil, bool, every int and uint type, float32 and float64 (by bits: NaNs differ and
// -0 is not 0), string, []byte (nil and empty differ) and time.Time (instant,
// offset and abbreviation of its zone; without the monotonic clock reading, which
// is never sent). For any other type, named types included, it returns dst
// unchanged and false: the caller must encode it in a way of its own, behind a tag from
// ArgUserTags on, or not use the cache.
func AppendArg(dst []byte, v any) (out []byte, ok bool) {
	switch v := v.(type) {
	case nil:
		return append(dst, argNil), true
	case bool:
		if v {
			return append(dst, argTrue), true
		}
		return append(dst, argFalse), true
	case int:
		return appendFixed(dst, argInt, uint64(v)), true
	case int8:
		return appendFixed(dst, argInt8, uint64(v)), true
	case int16:
		return appendFixed(dst, argInt16, uint64(v)), true
	case int32:
		return appendFixed(dst, argInt32, uint64(v)), true
	case int64:
		return appendFixed(dst, argInt64, uint64(v)), true
	case uint:
		return appendFixed(dst, argUint, uint64(v)), true
	case uint8:
		return appendFixed(dst, argUint8, uint64(v)), true
	case uint16:
		return appendFixed(dst, argUint16, uint64(v)), true
	case uint32:
		return appendFixed(dst, argUint32, uint64(v)), true
	case uint64:
		return appendFixed(dst, argUint64, v), true
	case float32:
		return appendFixed(dst, argFloat32, uint64(math.Float32bits(v))), true
	case float64:
		return appendFixed(dst, argFloat64, math.Float64bits(v)), true
	case string:
		return AppendString(append(dst, argString), v), true
	case []byte:
		if v == nil {
			return append(dst, argNilBytes), true
		}
		dst = binary.AppendUvarint(append(dst, argBytes), uint64(len(v)))
		return append(dst, v...), true
	case time.Time:
		zone, offset := v.Zone()
		dst = appendFixed(dst, argTime, uint64(v.Unix()))
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v.Nanosecond()))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(offset))
		return AppendString(dst, zone), true
	}
	return dst, false
}

// AppendString appends s with its length before it. Parts of a key that are
// appended so cannot run into each other.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendFixed(dst []byte, tag byte, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(dst, tag), v)
}
