package mlcache

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// typesID stands for what was registered on a type map, in the keys of questions with arguments. It is alike in every process
// where codecs are made of exported data and named functions; a codec that holds anything else is known by itself in this
// process, and what cannot be told apart at all makes the connection one of its own.
func typesID(m *pgtype.Map) (id [16]byte) {
	d := typesDescriber{}
	v := reflect.ValueOf(m).Elem()
	byOID, byName, byGoType := v.FieldByName("oidToType"), v.FieldByName("nameToType"), v.FieldByName("reflectTypeToName")
	for _, f := range []reflect.Value{byOID, byName, byGoType} {
		if f.Kind() != reflect.Map {
			rand.Read(id[:])
			return id
		}
	}
	var lines []string
	for _, k := range byOID.MapKeys() {
		if t, ok := m.TypeForOID(uint32(k.Uint())); ok {
			d.text.Reset()
			d.typ(t, 0)
			lines = append(lines, d.text.String())
		}
	}
	for _, k := range byName.MapKeys() {
		if t, ok := m.TypeForName(k.String()); ok {
			lines = append(lines, fmt.Sprintf("%q is %d", k.String(), t.OID))
		}
	}
	for _, k := range byGoType.MapKeys() {
		lines = append(lines, fmt.Sprintf("%v is %v", k, byGoType.MapIndex(k)))
	}
	slices.Sort(lines)
	d.text.Reset()
	io.WriteString(&d.text, strings.Join(lines, "\n"))
	for _, f := range m.TryWrapEncodePlanFuncs {
		d.value(reflect.ValueOf(f), 0)
	}
	if d.unlike {
		rand.Read(id[:])
		return id
	}
	sum := sha256.Sum256([]byte(d.text.String()))
	copy(id[:], sum[:])
	return id
}

// typesDescriber writes a text that differs for codecs that may send the same value otherwise.
type typesDescriber struct {
	text   strings.Builder
	unlike bool // there is something that cannot be told from others
}

const (
	maxTypesDepth = 8
	// pgtypePackage has codecs whose unexported fields only remember what they were asked.
	pgtypePackage = "github.com/jackc/pgx/v5/pgtype"
)

func (d *typesDescriber) typ(t *pgtype.Type, depth int) {
	if t != nil {
		fmt.Fprintf(&d.text, "%q %d ", t.Name, t.OID)
		d.value(reflect.ValueOf(t.Codec), depth)
	}
}

func (d *typesDescriber) value(v reflect.Value, depth int) {
	if !v.IsValid() {
		return
	}
	if depth > maxTypesDepth {
		d.unlike = true
		return
	}
	t := v.Type()
	fmt.Fprintf(&d.text, "%q %s{", t.PkgPath(), t)
	defer d.text.WriteByte('}')
	switch x := v.Interface().(type) {
	case *time.Location:
		fmt.Fprintf(&d.text, "%v", x) // it is for what is read
		return
	case *pgtype.Type:
		d.typ(x, depth+1)
		return
	}
	switch v.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		fmt.Fprintf(&d.text, "%#v", v)
	case reflect.Interface:
		d.value(v.Elem(), depth+1)
	case reflect.Pointer:
		if v.IsNil() || t.Elem().PkgPath() == pgtypePackage {
			d.value(v.Elem(), depth+1)
			return
		}
		d.itself(v)
	case reflect.Slice:
		for i := range v.Len() {
			d.value(v.Index(i), depth+1)
		}
	case reflect.Struct:
		if t.PkgPath() != pgtypePackage && slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
			return len(f.Index) == 1 && !f.IsExported()
		}) {
			d.itself(v)
			return
		}
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				d.value(v.Field(i), depth+1)
			}
		}
	case reflect.Func:
		if v.IsNil() {
			return
		}
		// The name of a closure says nothing of what it holds.
		name := runtime.FuncForPC(v.Pointer()).Name()
		d.unlike = d.unlike || strings.Contains(name, ".func") || strings.HasSuffix(name, "-fm")
		io.WriteString(&d.text, name)
	default:
		d.unlike = true
	}
}

// codecs numbers the codecs that only their identity tells apart, by a random text for each.
var codecs struct {
	sync.Mutex
	names map[any]string
}

const maxCodecs = 1024

// itself writes the identity of a codec.
func (d *typesDescriber) itself(v reflect.Value) {
	if !v.Comparable() {
		d.unlike = true
		return
	}
	codecs.Lock()
	defer codecs.Unlock()
	name, ok := codecs.names[v.Interface()]
	if !ok {
		if len(codecs.names) >= maxCodecs {
			d.unlike = true
			return
		}
		if codecs.names == nil {
			codecs.names = make(map[any]string)
		}
		name = rand.Text()
		codecs.names[v.Interface()] = name
	}
	io.WriteString(&d.text, name)
}
