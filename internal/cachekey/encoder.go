// Package cachekey encodes the exact key of a question: two questions that the database may answer differently have
// different keys.
package cachekey

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
	"github.com/mlcache/mlcache/internal/bypass"
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

// Encoder appends arguments to a key. An argument that it cannot encode
// exactly is a reason to ask the database.
type Encoder struct {
	// Key is what has been encoded so far.
	Key []byte
	// PlainPgx: the arguments go to pgx's own connection, on which nobody can have
	// registered types of his own.
	PlainPgx bool
	// IsPgx: they go to pgx's own connection.
	IsPgx bool
	// Mutable: an argument refers to memory that its owner may write to, or has a
	// method, so it may be another one by the time that pgx encodes it.
	Mutable bool
}

// Arg appends an argument with its name. What it returns is to be sent in its place, also with a reason: where it is a
// [Memo], the argument's method has been called.
func (e *Encoder) Arg(arg *driver.NamedValue) (sent any, reason bypass.Reason) {
	sent, reason = e.Append(arg.Value)
	if reason == "" && arg.Name != "" {
		e.Key = cache.AppendString(append(e.Key, argNamed), arg.Name)
	}
	if reason == "" && len(e.Key) > cache.MaxKeySize {
		reason = bypass.Argument
	}
	return sent, reason
}

// Append appends one value. What it returns is to be sent in its place, as with Arg.
func (e *Encoder) Append(arg any) (sent any, reason bypass.Reason) {
	switch v := arg.(type) {
	case string:
		if sqlinfo.SpecialDate(v) {
			return arg, bypass.DateArgument
		}
	case []byte:
		e.Mutable = true
		if sqlinfo.SpecialDate(string(v)) {
			return arg, bypass.DateArgument
		}
	}
	var ok bool
	if e.Key, ok = cache.AppendArg(e.Key, arg); ok {
		return arg, ""
	}
	return e.appendOther(arg)
}

func (e *Encoder) appendOther(arg any) (sent any, reason bypass.Reason) {
	start := len(e.Key)
	sent = arg
	defer func() {
		// A panic comes from a method of the user's. Where pgx calls it too, the
		// panic is the caller's to see.
		if recover() != nil {
			reason = bypass.Argument
		}
		if reason != "" {
			e.Key = e.Key[:start]
		}
	}()
	e.Mutable = true
	memo, ok := arg.(Memo)
	if !ok {
		v := reflect.ValueOf(arg)
		t := argTypeOf(v.Type())
		if t.exact && (e.IsPgx || !t.methods) {
			e.Key = append(append(e.Key, argTyped), t.id[:]...)
			return sent, e.value(v, 0)
		}
		if !t.valuer || !e.PlainPgx {
			return sent, bypass.Argument
		}
		if v.Kind() == reflect.Pointer && v.IsNil() && v.Type().Elem().Implements(valuerType) {
			e.Key = append(e.Key, argNilValuer)
			return sent, "" // NULL; pgx does not call it either
		}
		value, err := arg.(driver.Valuer).Value()
		memo = Memo{value: value, err: err, original: arg}
		sent = memo
	}
	if memo.err != nil {
		return sent, bypass.Argument // pgx has the words for it
	}
	e.Key = append(e.Key, argValued)
	if _, again := memo.value.(driver.Valuer); again && !argTypeOf(reflect.TypeOf(memo.value)).exact {
		return sent, bypass.Argument
	}
	_, reason = e.Append(memo.value)
	return sent, reason
}

// Memo is sent to pgx in the place of a driver.Valuer that has been called
// for the key already: pgx then sends what the key says, also if Value has a side
// effect or another result each time. pgx treats all types alike that have a
// Value method and none of getterTypes.
type Memo struct {
	value    driver.Value
	err      error
	original any
}

// Value returns what it returned when the key was made.
func (m Memo) Value() (driver.Value, error) { return m.value, m.err }

// Format keeps pgx's errors as they are, which show the argument.
func (m Memo) Format(s fmt.State, verb rune) {
	fmt.Fprintf(s, fmt.FormatString(s, verb), m.original)
}

// value appends the parts of v, whose type says how many there are.
func (e *Encoder) value(v reflect.Value, depth int) bypass.Reason {
	if depth > maxArgDepth || len(e.Key) > cache.MaxKeySize {
		return bypass.Argument
	}
	t := v.Type()
	if t == timeType {
		if !v.CanInterface() {
			return bypass.Argument
		}
		e.Key, _ = cache.AppendArg(e.Key, v.Interface().(time.Time))
		return ""
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			e.Key = append(e.Key, 1)
		} else {
			e.Key = append(e.Key, 0)
		}
	case reflect.Uint8:
		e.Key = append(e.Key, byte(v.Uint()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.Key = binary.LittleEndian.AppendUint64(e.Key, uint64(v.Int()))
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.Key = binary.LittleEndian.AppendUint64(e.Key, v.Uint())
	case reflect.Float32, reflect.Float64:
		if v.Kind() == reflect.Float32 && math.IsNaN(v.Float()) {
			return bypass.Argument // reflect does not show its bits
		}
		e.Key = binary.LittleEndian.AppendUint64(e.Key, math.Float64bits(v.Float()))
	case reflect.String:
		if sqlinfo.SpecialDate(v.String()) {
			return bypass.DateArgument
		}
		e.Key = cache.AppendString(e.Key, v.String())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			e.Key = append(e.Key, 0)
			return ""
		}
		e.Key = append(e.Key, 1)
		v = v.Elem()
		if t.Kind() == reflect.Interface {
			inner := argTypeOf(v.Type())
			if !inner.exact || inner.methods && !e.IsPgx {
				return bypass.Argument
			}
			e.Key = append(e.Key, inner.id[:]...)
		}
		return e.value(v, depth+1)
	case reflect.Slice:
		if v.IsNil() {
			e.Key = append(e.Key, 0)
			return ""
		}
		e.Key = append(e.Key, 1)
		if t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "" {
			return e.bytes(v.Bytes())
		}
		e.Key = binary.AppendUvarint(e.Key, uint64(v.Len()))
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
		return bypass.Argument
	}
	return e.stringer(v, t)
}

// stringer appends what String says on a basic type of the user's.
func (e *Encoder) stringer(v reflect.Value, t reflect.Type) bypass.Reason {
	if !isBasic(t.Kind()) || t.PkgPath() == "" || ownPackages[t.PkgPath()] || !v.CanInterface() {
		return ""
	}
	s, ok := v.Interface().(fmt.Stringer)
	if !ok {
		return ""
	}
	text := s.String()
	if sqlinfo.SpecialDate(text) {
		return bypass.DateArgument
	}
	e.Key = cache.AppendString(e.Key, text)
	return ""
}

func (e *Encoder) bytes(b []byte) bypass.Reason {
	if len(b) > cache.MaxKeySize {
		return bypass.Argument
	}
	if sqlinfo.SpecialDate(string(b)) {
		return bypass.DateArgument
	}
	e.Key = append(binary.AppendUvarint(e.Key, uint64(len(b))), b...)
	return ""
}

func (e *Encoder) elements(v reflect.Value, depth int) bypass.Reason {
	for i := range v.Len() {
		if reason := e.value(v.Index(i), depth+1); reason != "" {
			return reason
		}
	}
	return ""
}

// entries appends a map's entries in the order of their encodings, since a map
// has none. A second NaN among the keys is another entry, as in the map.
func (e *Encoder) entries(v reflect.Value, depth int) bypass.Reason {
	if v.IsNil() {
		e.Key = append(e.Key, 0)
		return ""
	}
	if v.Len() > cache.MaxKeySize {
		return bypass.Argument
	}
	e.Key = binary.AppendUvarint(append(e.Key, 1), uint64(v.Len()))
	start := len(e.Key)
	var ends []int
	for it := v.MapRange(); it.Next(); {
		if reason := e.value(it.Key(), depth+1); reason != "" {
			return reason
		}
		if reason := e.value(it.Value(), depth+1); reason != "" {
			return reason
		}
		ends = append(ends, len(e.Key))
	}
	entries := make([][]byte, len(ends))
	all, from := bytes.Clone(e.Key[start:]), 0
	for i, end := range ends {
		entries[i] = all[from : end-start]
		from = end - start
	}
	slices.SortFunc(entries, bytes.Compare)
	e.Key = append(e.Key[:start], bytes.Join(entries, nil)...)
	return ""
}
