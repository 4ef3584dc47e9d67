package rowset

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

// First bytes of encoded values.
const (
	valueInt64 = iota + 1
	valueFloat64
	valueFalse
	valueTrue
	valueString
	valueBytes
	valueNilBytes
	valueTimeUTC
	valueTimeLocal
	valueTimeFixed
)

const (
	numberSize = 1 + 8     // tag, bits
	timeSize   = 1 + 8 + 4 // tag, Unix seconds, nanoseconds
	fixedSize  = timeSize + 4
)

// AppendValue appends v to dst, so that DecodeValue returns the same value
// again: int64, float64 (to the bit), bool, string, []byte (nil and empty
// differ), and time.Time in UTC, in time.Local or in a zone of one offset as
// time.FixedZone makes it. nil is encoded as nothing at all.
//
// Two things about times are not kept: the reading of the monotonic clock, and where time.Local was;
// a time in Local comes back in the Local of the process that decodes it,
// at the same instant.
//
// It returns ErrUnsupported, and dst unchanged, for a time in any other
// location, whose rules may differ elsewhere, and for any other type.
func AppendValue(dst []byte, v driver.Value) ([]byte, error) {
	le := binary.LittleEndian
	switch v := v.(type) {
	case nil:
		return dst, nil
	case int64:
		return le.AppendUint64(append(dst, valueInt64), uint64(v)), nil
	case float64:
		return le.AppendUint64(append(dst, valueFloat64), math.Float64bits(v)), nil
	case bool:
		if v {
			return append(dst, valueTrue), nil
		}
		return append(dst, valueFalse), nil
	case string:
		return append(append(dst, valueString), v...), nil
	case []byte:
		if v == nil {
			return append(dst, valueNilBytes), nil
		}
		return append(append(dst, valueBytes), v...), nil
	case time.Time:
		return appendTime(dst, v)
	}
	return dst, fmt.Errorf("%w: value of type %T", ErrUnsupported, v)
}

func appendTime(dst []byte, t time.Time) ([]byte, error) {
	le := binary.LittleEndian
	var tag byte
	var zone string
	var offset int
	switch t.Location() {
	case time.UTC:
		tag = valueTimeUTC
	case time.Local:
		tag = valueTimeLocal
	default:
		// A fixed zone has no beginning and no end, and its location is
		// named like the zone.
		from, to := t.ZoneBounds()
		zone, offset = t.Zone()
		if !from.IsZero() || !to.IsZero() || zone != t.Location().String() || int(int32(offset)) != offset {
			return dst, fmt.Errorf("%w: time in location %q", ErrUnsupported, t.Location().String())
		}
		tag = valueTimeFixed
	}
	dst = le.AppendUint64(append(dst, tag), uint64(t.Unix()))
	dst = le.AppendUint32(dst, uint32(t.Nanosecond()))
	if tag == valueTimeFixed {
		dst = le.AppendUint32(dst, uint32(int32(offset)))
		dst = append(dst, zone...)
	}
	return dst, nil
}

// DecodeValue returns the value that AppendValue encoded. A nil b is nil. A
// []byte aliases b, and must not be written to; everything else is a copy. The error is ErrCorrupt.
func DecodeValue(b []byte) (driver.Value, error) {
	if len(b) == 0 {
		if b == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: empty value", ErrCorrupt)
	}
	le := binary.LittleEndian
	switch tag := b[0]; {
	case tag == valueInt64 && len(b) == numberSize:
		return int64(le.Uint64(b[1:])), nil
	case tag == valueFloat64 && len(b) == numberSize:
		return math.Float64frombits(le.Uint64(b[1:])), nil
	case tag == valueFalse && len(b) == 1:
		return false, nil
	case tag == valueTrue && len(b) == 1:
		return true, nil
	case tag == valueString:
		return string(b[1:]), nil
	case tag == valueBytes:
		return b[1:len(b):len(b)], nil
	case tag == valueNilBytes && len(b) == 1:
		return []byte(nil), nil
	case tag == valueTimeUTC && len(b) == timeSize,
		tag == valueTimeLocal && len(b) == timeSize,
		tag == valueTimeFixed && len(b) >= fixedSize:
		return decodeTime(b)
	}
	return nil, fmt.Errorf("%w: value with tag %d and %d bytes", ErrCorrupt, b[0], len(b))
}

func decodeTime(b []byte) (driver.Value, error) {
	le := binary.LittleEndian
	nanos := le.Uint32(b[9:])
	if nanos >= uint32(time.Second) {
		return nil, fmt.Errorf("%w: %d nanoseconds", ErrCorrupt, nanos)
	}
	t := time.Unix(int64(le.Uint64(b[1:])), int64(nanos))
	switch b[0] {
	case valueTimeUTC:
		return t.UTC(), nil
	case valueTimeLocal:
		return t, nil
	}
	offset := int(int32(le.Uint32(b[timeSize:])))
	return t.In(time.FixedZone(string(b[fixedSize:]), offset)), nil
}
