package dbconn

import (
	"database/sql/driver"
	"reflect"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Pgx returns the pgx connection behind an origin that is pgx's own driver
// connection, and nil behind any other: a wrapper (tracing, say) must see every
// statement, so its inside is not touched.
func Pgx(origin driver.Conn) *pgx.Conn {
	if c, ok := origin.(*stdlib.Conn); ok {
		return c.Conn()
	}
	return nil
}

// IsPlainPgx reports whether a connector is pgx's own, made without options that
// run code when it connects or when a connection is reused. pgx does not say; but
// a connector without options holds pgx's own empty functions, and those of a
// connector made here for comparison are the same ones.
func IsPlainPgx(origin driver.Connector) bool {
	plain := reflect.ValueOf(stdlib.GetConnector(pgx.ConnConfig{}))
	v := reflect.ValueOf(origin)
	if v.Type() != plain.Type() || v.Kind() != reflect.Struct {
		return false
	}
	for _, hook := range []string{"BeforeConnect", "AfterConnect", "ResetSession"} {
		f, p := v.FieldByName(hook), plain.FieldByName(hook)
		if !f.IsValid() || f.Kind() != reflect.Func || f.Pointer() != p.Pointer() {
			return false
		}
	}
	pool := v.FieldByName("pool")
	return pool.IsValid() && pool.Kind() == reflect.Pointer && pool.IsNil()
}
