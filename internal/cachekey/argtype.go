package cachekey

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// argType is what is known of a Go type as the type of an argument.
//
// pgx chooses how to encode a value by its type: by the interfaces that it
// implements, else by what it is made of. Where all that it may look at is in the
// value itself, the type and the parts of the value are an exact encoding. A
// method of the user's own can look elsewhere, so a type with a method that pgx
// may call is not encoded, with two exceptions: Value, which is called once for
// the key and not again by pgx (see Memo), and String on a basic type,
// whose result is a part of the key.
type argType struct {
	// id is a digest of the type's name and structure. It tells types apart that
	// have the same name, as types within functions can.
	id [16]byte
	// exact: a value of this type can be encoded by its parts.
	exact bool
	// valuer: its Value method is all that pgx would use of it.
	valuer bool
	// methods: it has methods of the user's own. A driver other than pgx may look
	// for any of them.
	methods bool
}

// ownPackages have types whose methods are functions of the value alone.
var ownPackages = map[string]bool{
	"time":                           true,
	"net":                            true,
	"net/netip":                      true,
	"unique":                         true, // inside netip.Addr
	"math/big":                       true,
	"encoding/json":                  true,
	"database/sql":                   true,
	"github.com/jackc/pgx/v5":        true,
	"github.com/jackc/pgx/v5/pgtype": true,
	"github.com/jackc/pgx/v5/pgtype/zeronull": true,
	"github.com/google/uuid":                  true,
	"github.com/gofrs/uuid":                   true,
	"github.com/gofrs/uuid/v5":                true,
	"github.com/lib/pq":                       true, // its arrays
	"github.com/pgvector/pgvector-go":         true,
}

var (
	valuerType   = reflect.TypeFor[driver.Valuer]()
	stringerType = reflect.TypeFor[fmt.Stringer]()
	timeType     = reflect.TypeFor[time.Time]()
)

// getterTypes are the interfaces that pgx's codecs look for before they look for
// driver.Valuer.
var getterTypes = []reflect.Type{
	reflect.TypeFor[pgtype.ArrayGetter](), reflect.TypeFor[pgtype.BitsValuer](), reflect.TypeFor[pgtype.BoolValuer](),
	reflect.TypeFor[pgtype.BoxValuer](), reflect.TypeFor[pgtype.BytesValuer](), reflect.TypeFor[pgtype.CircleValuer](),
	reflect.TypeFor[pgtype.CompositeIndexGetter](), reflect.TypeFor[pgtype.DateValuer](), reflect.TypeFor[pgtype.Float64Valuer](),
	reflect.TypeFor[pgtype.HstoreValuer](), reflect.TypeFor[pgtype.Int64Valuer](), reflect.TypeFor[pgtype.IntervalValuer](),
	reflect.TypeFor[pgtype.LineValuer](), reflect.TypeFor[pgtype.LsegValuer](), reflect.TypeFor[pgtype.MultirangeGetter](),
	reflect.TypeFor[pgtype.NetipPrefixValuer](), reflect.TypeFor[pgtype.NumericValuer](), reflect.TypeFor[pgtype.PathValuer](),
	reflect.TypeFor[pgtype.PointValuer](), reflect.TypeFor[pgtype.PolygonValuer](), reflect.TypeFor[pgtype.RangeValuer](),
	reflect.TypeFor[pgtype.TIDValuer](), reflect.TypeFor[pgtype.TSVectorValuer](), reflect.TypeFor[pgtype.TextValuer](),
	reflect.TypeFor[pgtype.TimeValuer](), reflect.TypeFor[pgtype.TimestampValuer](), reflect.TypeFor[pgtype.TimestamptzValuer](),
	reflect.TypeFor[pgtype.UUIDValuer](), reflect.TypeFor[pgtype.Uint32Valuer](), reflect.TypeFor[pgtype.Uint64Valuer](),
}

// marshalerTypes are the interfaces that pgx, encoding/json and encoding/xml look
// for in a value that has no Value method.
var marshalerTypes = []reflect.Type{
	reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextAppender](),
	reflect.TypeFor[xml.Marshaler](), reflect.TypeFor[xml.MarshalerAttr](), reflect.TypeFor[interface{ IsZero() bool }](),
	reflect.TypeFor[pgtype.SkipUnderlyingTypePlanner](),
}

func implementsAny(t reflect.Type, interfaces []reflect.Type) bool {
	for _, i := range interfaces {
		// A method of the pointer counts: what is behind a pointer or in a slice
		// can be addressed.
		if t.Implements(i) || reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

// argTypes remembers argTypeOf. Types are few, but reflect can make any number.
var (
	argTypes     sync.Map // reflect.Type to *argType
	argTypeCount atomic.Int64
)

const maxArgTypes = 4096

func argTypeOf(t reflect.Type) *argType {
	if a, ok := argTypes.Load(t); ok {
		return a.(*argType)
	}
	a := newArgType(t)
	if argTypeCount.Load() < maxArgTypes {
		if _, loaded := argTypes.LoadOrStore(t, a); !loaded {
			argTypeCount.Add(1)
		}
	}
	return a
}

func newArgType(t reflect.Type) *argType {
	d := typeDescriber{seen: make(map[reflect.Type]int)}
	a := &argType{}
	if d.describe(t) {
		sum := sha256.Sum256(d.text.Bytes())
		copy(a.id[:], sum[:])
		a.exact = true
		a.methods = d.methods
		return a
	}
	a.methods = true
	a.valuer = t.Implements(valuerType) && !implementsAny(t, getterTypes)
	return a
}

// typeDescriber writes a text that is the same for two types only if pgx and the
// packages that it uses treat their values alike.
type typeDescriber struct {
	text    bytes.Buffer
	seen    map[reflect.Type]int
	methods bool
}

// maxTypeParts bounds the types within a type.
const maxTypeParts = 256

// describe returns false for a type whose values cannot be encoded by their
// parts.
func (d *typeDescriber) describe(t reflect.Type) bool {
	if n, ok := d.seen[t]; ok {
		fmt.Fprintf(&d.text, "^%d", n)
		return true
	}
	if len(d.seen) >= maxTypeParts {
		return false
	}
	d.seen[t] = len(d.seen)
	fmt.Fprintf(&d.text, "%d %q %q{", t.Kind(), t.PkgPath(), t.Name())
	defer d.text.WriteByte('}')
	if t == timeType {
		return true
	}
	if pkg := t.PkgPath(); pkg == "sync" || pkg == "sync/atomic" {
		return false // not to be read without asking it
	}
	// The methods of an unnamed pointer type are those of what it points to, which
	// is described below.
	if !ownPackages[t.PkgPath()] && (t.Kind() != reflect.Pointer || t.Name() != "") && !d.describeMethods(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Interface,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64:
		return true
	case reflect.Pointer:
		return d.describe(t.Elem())
	case reflect.Slice, reflect.Array:
		// Any number of values without a size fit in no memory at all.
		if t.Kind() == reflect.Array {
			fmt.Fprintf(&d.text, "%d ", t.Len())
		}
		return t.Elem().Size() > 0 && d.describe(t.Elem())
	case reflect.Map:
		return d.describe(t.Key()) && d.describe(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(&d.text, "%q %q %q %t ", f.Name, f.PkgPath, f.Tag, f.Anonymous)
			if !d.describe(f.Type) {
				return false
			}
		}
		return true
	}
	return false // chan, func, complex, unsafe.Pointer: pgx encodes none
}

// describeMethods looks at the methods of a type that is not of ownPackages.
func (d *typeDescriber) describeMethods(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return true // what it holds has a type of its own
	}
	p := reflect.PointerTo(t)
	if p.NumMethod() == 0 {
		return true
	}
	d.methods = true
	if p.Implements(valuerType) || implementsAny(t, getterTypes) || implementsAny(t, marshalerTypes) {
		return false
	}
	// encoding/json of Go 1.27 looks for it; its interface is in a package that
	// Go 1.26 does not have.
	if _, ok := p.MethodByName("MarshalJSONTo"); ok {
		return false
	}
	if p.Implements(stringerType) {
		// pgx uses it where it has no other way to encode the value.
		d.text.WriteString("String ")
		return t.Implements(stringerType) && isBasic(t.Kind())
	}
	return true
}

func isBasic(k reflect.Kind) bool {
	return k >= reflect.Bool && k <= reflect.Float64 || k == reflect.String
}
