package mlcache

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// resultFormats is what pgx's database/sql driver asks the server for: binary
// for the types that database/sql has, text for the rest. A recorded answer must
// be the one that pgx would have got, so the list must be the same; the
// integration test of values compares the two.
var resultFormats = pgx.QueryResultFormatsByOID{
	pgtype.BoolOID:        pgx.BinaryFormatCode,
	pgtype.ByteaOID:       pgx.BinaryFormatCode,
	pgtype.CIDOID:         pgx.BinaryFormatCode,
	pgtype.DateOID:        pgx.BinaryFormatCode,
	pgtype.Float4OID:      pgx.BinaryFormatCode,
	pgtype.Float8OID:      pgx.BinaryFormatCode,
	pgtype.Int2OID:        pgx.BinaryFormatCode,
	pgtype.Int4OID:        pgx.BinaryFormatCode,
	pgtype.Int8OID:        pgx.BinaryFormatCode,
	pgtype.OIDOID:         pgx.BinaryFormatCode,
	pgtype.TimestampOID:   pgx.BinaryFormatCode,
	pgtype.TimestamptzOID: pgx.BinaryFormatCode,
	pgtype.XIDOID:         pgx.BinaryFormatCode,
}

// isBinary says whether pgx's driver asks for the type in binary form, and so has a codec make its values.
func isBinary(oid uint32) bool {
	_, ok := resultFormats[oid]
	return ok
}

// Seconds from the Unix epoch to PostgreSQL's, 2000-01-01 00:00:00 UTC.
const postgresEpoch = 946684800

// The dates that decodeCell reads itself: years 1 to 9999. The type map reads
// the others, with the errors for those that Go cannot hold.
const (
	minFastMicros = -(2000*366 - 1) * 86400 * 1e6
	maxFastMicros = 7999 * 365 * 86400 * 1e6
	minFastDays   = -1999 * 365
	maxFastDays   = 7999 * 365
)

// decodeCell returns the value that pgx's driver hands to database/sql for a
// cell that is not NULL. The common types are read here; everything else, and
// every length or range that is not the common one, is left to pgx's type map.
//
// A string or []byte result points into src, which must not change afterwards. The
// memory of the others is from b.
func decodeCell(typeMap func() *pgtype.Map, b *boxes, oid uint32, format int16, src []byte) (driver.Value, error) {
	if format != pgx.BinaryFormatCode {
		switch oid {
		case pgtype.BoolOID, pgtype.ByteaOID, pgtype.CIDOID, pgtype.DateOID, pgtype.Float4OID, pgtype.Float8OID,
			pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID, pgtype.TimestampOID, pgtype.TimestamptzOID, pgtype.XIDOID:
			return decodeByMap(typeMap(), oid, format, src)
		case pgtype.JSONOID, pgtype.JSONBOID, pgtype.XMLOID:
			return src, nil
		default:
			return b.string(aliasString(src)), nil
		}
	}
	switch oid {
	case pgtype.Int4OID:
		if len(src) == 4 {
			return b.int64(int64(int32(binary.BigEndian.Uint32(src)))), nil
		}
	case pgtype.Int8OID:
		if len(src) == 8 {
			return b.int64(int64(binary.BigEndian.Uint64(src))), nil
		}
	case pgtype.Int2OID:
		if len(src) == 2 {
			return b.int64(int64(int16(binary.BigEndian.Uint16(src)))), nil
		}
	case pgtype.BoolOID:
		if len(src) == 1 {
			return src[0] == 1, nil
		}
	case pgtype.Float8OID:
		if len(src) == 8 {
			return b.float64(math.Float64frombits(binary.BigEndian.Uint64(src))), nil
		}
	case pgtype.Float4OID:
		if len(src) == 4 {
			return b.float64(float64(math.Float32frombits(binary.BigEndian.Uint32(src)))), nil
		}
	case pgtype.ByteaOID:
		return src, nil
	case pgtype.OIDOID, pgtype.XIDOID, pgtype.CIDOID:
		if len(src) == 4 {
			return b.int64(int64(binary.BigEndian.Uint32(src))), nil
		}
	case pgtype.DateOID:
		if len(src) == 4 {
			if days := int32(binary.BigEndian.Uint32(src)); days > minFastDays && days < maxFastDays {
				return b.time(time.Unix(postgresEpoch+int64(days)*86400, 0).UTC()), nil
			}
		}
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		if len(src) == 8 {
			if micros := int64(binary.BigEndian.Uint64(src)); micros > minFastMicros && micros < maxFastMicros {
				t := time.Unix(postgresEpoch+micros/1e6, micros%1e6*1e3)
				if oid == pgtype.TimestampOID {
					t = t.UTC()
				}
				return b.time(t), nil
			}
		}
	}
	return decodeByMap(typeMap(), oid, format, src)
}

// decodeByMap converts through pgx's type map, into the types that pgx's driver
// uses for each OID.
func decodeByMap(m *pgtype.Map, oid uint32, format int16, src []byte) (driver.Value, error) {
	switch oid {
	case pgtype.BoolOID:
		return scanAs[bool](m, oid, format, src)
	case pgtype.ByteaOID, pgtype.JSONOID, pgtype.JSONBOID, pgtype.XMLOID:
		return scanAs[[]byte](m, oid, format, src)
	case pgtype.CIDOID, pgtype.OIDOID, pgtype.XIDOID:
		return scanValuer[pgtype.Uint32](m, oid, format, src)
	case pgtype.DateOID:
		return scanValuer[pgtype.Date](m, oid, format, src)
	case pgtype.TimestampOID:
		return scanValuer[pgtype.Timestamp](m, oid, format, src)
	case pgtype.TimestamptzOID:
		return scanValuer[pgtype.Timestamptz](m, oid, format, src)
	case pgtype.Float4OID:
		v, err := scanInto[float32](m, oid, format, src)
		return float64(v), err
	case pgtype.Float8OID:
		return scanAs[float64](m, oid, format, src)
	case pgtype.Int2OID:
		v, err := scanInto[int16](m, oid, format, src)
		return int64(v), err
	case pgtype.Int4OID:
		v, err := scanInto[int32](m, oid, format, src)
		return int64(v), err
	case pgtype.Int8OID:
		return scanAs[int64](m, oid, format, src)
	default:
		return scanAs[string](m, oid, format, src)
	}
}

func scanInto[T any](m *pgtype.Map, oid uint32, format int16, src []byte) (T, error) {
	var d T
	err := m.PlanScan(oid, format, &d).Scan(src, &d)
	return d, err
}

func scanAs[T any](m *pgtype.Map, oid uint32, format int16, src []byte) (driver.Value, error) {
	return scanInto[T](m, oid, format, src)
}

func scanValuer[T driver.Valuer](m *pgtype.Map, oid uint32, format int16, src []byte) (driver.Value, error) {
	d, err := scanInto[T](m, oid, format, src)
	if err != nil {
		return nil, err
	}
	return d.Value()
}

// aliasString makes a string of bytes that are never written again.
func aliasString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func fieldError(column int, err error) error {
	return fmt.Errorf("convert field %d failed: %w", column, err)
}
