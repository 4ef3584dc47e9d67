package mlcache

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Tags of arguments that package cache leaves to its callers.
const (
	argTyped byte = cache.ArgUserTags + iota
	argValued
	argNilValuer
	argNamed
)

// maxArgDepth bounds how deep the parts of an argument are nested. pgx itself
// goes no deeper than eight wrappers; encoding/json does.
const maxArgDepth = 32

// argEncoder appends arguments to a key. An argument that it cannot encode
// exactly is a reason to ask the database.
type argEncoder struct {
	key []byte
	// plainPgx: the arguments go to pgx's own connection, on which nobody can have
	// registered types of his own.
	plainPgx bool
	// isPgx: they go to pgx's own connection.
	isPgx bool
	// mutable: an argument refers to memory that its owner may write to, or has a
	// method, so it may be another one by the time that pgx encodes it.
	mutable bool
}

// append appends one argument. What it returns is to be sent in its place.
func (e *argEncoder) append(arg any) (sent any, reason Reason) {
	switch v := arg.(type) {
	case string:
		if sqlinfo.SpecialDate(v) {
			return arg, ReasonDateArgument
		}
	case []byte:
		e.mutable = true
		if sqlinfo.SpecialDate(string(v)) {
			return arg, ReasonDateArgument
		}
	}
	var ok bool
	if e.key, ok = cache.AppendArg(e.key, arg); ok {
		return arg, ""
	}
	return e.appendOther(arg)
}

func (e *argEncoder) appendOther(arg any) (sent any, reason Reason) {
	start := len(e.key)
	sent = arg
	defer func() {
		// A panic comes from a method of the user's. Where pgx calls it too, the
		// panic is the caller's to see.
		if recover() != nil {
			reason = ReasonArgument
		}
		if reason != "" {
			e.key = e.key[:start]
		}
	}()
	e.mutable = true
	memo, ok := arg.(memoValuer)
	if !ok {
		v := reflect.ValueOf(arg)
		t := argTypeOf(v.Type())
		if t.exact && (e.isPgx || !t.methods) {
			e.key = append(append(e.key, argTyped), t.id[:]...)
			return sent, e.value(v, 0)
		}
		if !t.valuer || !e.plainPgx {
			return sent, ReasonArgument
		}
		if v.Kind() == reflect.Pointer && v.IsNil() && v.Type().Elem().Implements(valuerType) {
			e.key = append(e.key, argNilValuer)
			return sent, "" // NULL; pgx does not call it either
		}
		value, err := arg.(driver.Valuer).Value()
		memo = memoValuer{value: value, err: err, original: arg}
		sent = memo
	}
	if memo.err != nil {
		return sent, ReasonArgument // pgx has the words for it
	}
	e.key = append(e.key, argValued)
	if _, again := memo.value.(driver.Valuer); again && !argTypeOf(reflect.TypeOf(memo.value)).exact {
		return sent, ReasonArgument
	}
	_, reason = e.append(memo.value)
	return sent, reason
}

// memoValuer is sent to pgx in the place of a driver.Valuer that has been called
// for the key already: pgx then sends what the key says, also if Value has a side
// effect or another result each time. pgx treats all types alike that have a
// Value method and none of getterTypes.
type memoValuer struct {
	value    driver.Value
	err      error
	original any
}

func (m memoValuer) Value() (driver.Value, error) { return m.value, m.err }

// Format keeps pgx's errors as they are, which show the argument.
func (m memoValuer) Format(s fmt.State, verb rune) {
	fmt.Fprintf(s, fmt.FormatString(s, verb), m.original)
}

// value appends the parts of v, whose type says how many there are.
func (e *argEncoder) value(v reflect.Value, depth int) Reason {
	if depth > maxArgDepth || len(e.key) > cache.MaxKeySize {
		return ReasonArgument
	}
	t := v.Type()
	if t == timeType {
		if !v.CanInterface() {
			return ReasonArgument
		}
		e.key, _ = cache.AppendArg(e.key, v.Interface().(time.Time))
		return ""
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			e.key = append(e.key, 1)
		} else {
			e.key = append(e.key, 0)
		}
	case reflect.Uint8:
		e.key = append(e.key, byte(v.Uint()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.key = binary.LittleEndian.AppendUint64(e.key, uint64(v.Int()))
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.key = binary.LittleEndian.AppendUint64(e.key, v.Uint())
	case reflect.Float32, reflect.Float64:
		if v.Kind() == reflect.Float32 && math.IsNaN(v.Float()) {
			return ReasonArgument // reflect does not show its bits
		}
		e.key = binary.LittleEndian.AppendUint64(e.key, math.Float64bits(v.Float()))
	case reflect.String:
		if sqlinfo.SpecialDate(v.String()) {
			return ReasonDateArgument
		}
		e.key = cache.AppendString(e.key, v.String())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			e.key = append(e.key, 0)
			return ""
		}
		e.key = append(e.key, 1)
		v = v.Elem()
		if t.Kind() == reflect.Interface {
			inner := argTypeOf(v.Type())
			if !inner.exact || inner.methods && !e.isPgx {
				return ReasonArgument
			}
			e.key = append(e.key, inner.id[:]...)
		}
		return e.value(v, depth+1)
	case reflect.Slice:
		if v.IsNil() {
			e.key = append(e.key, 0)
			return ""
		}
		e.key = append(e.key, 1)
		if t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "" {
			return e.bytes(v.Bytes())
		}
		e.key = binary.AppendUvarint(e.key, uint64(v.Len()))
		return e.elements(v, depth)
	case reflect.Array:
		return e.elements(v, depth)
	case reflect.Map:
		return e.entries(v, depth)
	case reflect.Struct:
		for i := range v.NumField() {
			if reason := e.value(v.Field(i), depth+1); reason != "" {
				return reason
			}
		}
	default:
		return ReasonArgument
	}
	return e.stringer(v, t)
}

// stringer appends what String says on a basic type of the user's.
func (e *argEncoder) stringer(v reflect.Value, t reflect.Type) Reason {
	if !isBasic(t.Kind()) || t.PkgPath() == "" || ownPackages[t.PkgPath()] || !v.CanInterface() {
		return ""
	}
	s, ok := v.Interface().(fmt.Stringer)
	if !ok {
		return ""
	}
	text := s.String()
	if sqlinfo.SpecialDate(text) {
		return ReasonDateArgument
	}
	e.key = cache.AppendString(e.key, text)
	return ""
}

func (e *argEncoder) bytes(b []byte) Reason {
	if len(b) > cache.MaxKeySize {
		return ReasonArgument
	}
	if sqlinfo.SpecialDate(string(b)) {
		return ReasonDateArgument
	}
	e.key = append(binary.AppendUvarint(e.key, uint64(len(b))), b...)
	return ""
}

func (e *argEncoder) elements(v reflect.Value, depth int) Reason {
	for i := range v.Len() {
		if reason := e.value(v.Index(i), depth+1); reason != "" {
			return reason
		}
	}
	return ""
}

// entries appends a map's entries in the order of their encodings, since a map
// has none. A second NaN among the keys is another entry, as in the map.
func (e *argEncoder) entries(v reflect.Value, depth int) Reason {
	if v.IsNil() {
		e.key = append(e.key, 0)
		return ""
	}
	if v.Len() > cache.MaxKeySize {
		return ReasonArgument
	}
	e.key = binary.AppendUvarint(append(e.key, 1), uint64(v.Len()))
	start := len(e.key)
	var ends []int
	for it := v.MapRange(); it.Next(); {
		if reason := e.value(it.Key(), depth+1); reason != "" {
			return reason
		}
		if reason := e.value(it.Value(), depth+1); reason != "" {
			return reason
		}
		ends = append(ends, len(e.key))
	}
	entries := make([][]byte, len(ends))
	all, from := bytes.Clone(e.key[start:]), 0
	for i, end := range ends {
		entries[i] = all[from : end-start]
		from = end - start
	}
	slices.SortFunc(entries, bytes.Compare)
	e.key = append(e.key[:start], bytes.Join(entries, nil)...)
	return ""
}
