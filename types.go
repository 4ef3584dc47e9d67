package mlcache

import (
	"context"
	"database/sql/driver"
	"reflect"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mlcache/mlcache/cache/rowset"
	"github.com/mlcache/mlcache/internal/dbconn"
)

// A program can register types of its own on each connection of pgx (in AfterConnect, in a tracer, through sql.Conn.Raw), and
// so decide what values an answer is made of and how arguments are sent. An answer is kept as the bytes of the wire, which do
// not depend on that; values are made by the type map of the connection that asks. Where nobody can have registered anything,
// none of this costs more than the look at a bool.

// ownTypesOn counts what was registered on a type map, beyond what every new one has. It is negative where that cannot be told.
func ownTypesOn(m *pgtype.Map) int {
	plain, v := plainMap(), reflect.ValueOf(m).Elem()
	n := len(m.TryWrapScanPlanFuncs) - len(plain.TryWrapScanPlanFuncs) + len(m.TryWrapEncodePlanFuncs) - len(plain.TryWrapEncodePlanFuncs)
	for _, name := range []string{"oidToType", "nameToType", "reflectTypeToName"} {
		f := v.FieldByName(name) // pgx has no method that tells
		if f.Kind() != reflect.Map {
			return -1
		}
		n += f.Len()
	}
	return n
}

// plainMap is a type map as pgx makes it. It is only looked at. A variable that is initialized with pgtype.NewMap would
// make each program that imports mlcache, and opens nothing, larger by all that this refers to.
func plainMap() *pgtype.Map {
	plainTypeMap.Do(func() { plainTypeMap.of = pgtype.NewMap() })
	return plainTypeMap.of
}

var plainTypeMap struct {
	sync.Once
	of *pgtype.Map
}

// decodesPlainly reports whether the type map gives for the type what decodeCell does. Only types of which pgx's driver asks
// for binary values can differ: other values are the texts of the wire, which no codec is asked for.
func decodesPlainly(m *pgtype.Map, oid uint32) bool {
	if !isBinary(oid) {
		return true
	}
	t, ok := m.TypeForOID(oid)
	if !ok {
		return false
	}
	plain, _ := plainMap().TypeForOID(oid)
	return t == plain || reflect.DeepEqual(t.Codec, plain.Codec)
}

// ownTypes is what a connection knows of the types on its type map.
type ownTypes struct {
	// count is ownTypesOn the map, and any says that it is not zero.
	count int
	any   bool
	// id stands for what was registered, in the keys of questions with arguments: the same values may be sent otherwise.
	id [16]byte
}

// lookAtTypes looks at the type map again, when somebody may have registered something.
func (c *conn) lookAtTypes() {
	if c.connector.plainTypes && !c.lent {
		return
	}
	c.types = ownTypes{}
	if c.db.Pgx == nil {
		if c.db.Origin != nil {
			c.engine.learnTypes(false) // what is registered there cannot be seen, on this connection or another
		}
		return
	}
	m := c.db.Pgx.TypeMap()
	c.types.count = ownTypesOn(m)
	if c.types.any = c.types.count != 0; c.types.any {
		c.types.id = typesID(m)
	}
	c.engine.learnTypes(c.types.any)
}

// canRegister notes whether anybody can register types on the connection underneath.
func (c *conn) canRegister() { c.registers = c.db.Pgx != nil && (!c.connector.plainTypes || c.lent) }

// noticeTypes is lookAtTypes if something was registered since: a tracer may do so with any statement. Called where registers
// is set.
func (c *conn) noticeTypes() {
	if ownTypesOn(c.db.Pgx.TypeMap()) != c.types.count {
		c.lookAtTypes()
	}
}

// learnTypes notes whether the origin's hooks register anything.
func (e *engine) learnTypes(any bool) {
	if any {
		e.hooksTypes.Store(typesOwn)
	} else {
		e.hooksTypes.CompareAndSwap(typesUnknown, typesPlain)
	}
}

// What is known of the types of an origin with hooks. One connection with types of its own is enough for typesOwn.
const (
	typesUnknown = iota
	typesPlain
	typesOwn
)

// typesPending reports whether a connection without an origin must open it before it can make values.
func (c *conn) typesPending() bool {
	return c.db.Origin == nil && c.connector != nil && !c.connector.plainTypes && c.engine.hooksTypes.Load() != typesPlain
}

// mapped reports whether values of the columns must be made by the connection's type map.
func (c *conn) mapped(cols []rowset.Column) bool {
	return c.registers && c.decodesOtherwise(cols) // without a connection underneath: see typesPending
}

func (c *conn) decodesOtherwise(cols []rowset.Column) bool {
	// A tracer may register at any time, so the map is asked each time.
	m := c.db.Pgx.TypeMap()
	for i := range cols {
		if !decodesPlainly(m, cols[i].TypeOID) {
			return true
		}
	}
	return false
}

// namingTime is how long a look at a type's name may wait for a connection. It has no context of the caller's.
const namingTime = 5 * time.Second

// typeMap is the origin connection's, if there is one, since its owner may have registered types on it.
func (c *conn) typeMap() *pgtype.Map {
	if c.typesPending() {
		ctx, cancel := context.WithTimeout(context.Background(), namingTime)
		_ = c.open(ctx) // without one, names and values are pgx's own
		cancel()
	}
	if c.db.Pgx != nil {
		return c.db.Pgx.TypeMap()
	}
	if c.ownMap == nil {
		c.ownMap = pgtype.NewMap()
	}
	return c.ownMap
}

// registersNothing reports whether the connections of an origin have pgx's own types and no others: it is pgx's own connector,
// without hooks and without a tracer, which gets the connection too.
func registersNothing(origin driver.Connector) bool {
	if !dbconn.IsPlainPgx(origin) {
		return false
	}
	tracer := reflect.ValueOf(origin).FieldByName("ConnConfig").FieldByName("Tracer")
	return tracer.IsValid() && tracer.Kind() == reflect.Interface && tracer.IsNil()
}
