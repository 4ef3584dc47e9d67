package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
)

// originShapes are the kinds of driver that database/sql has fallbacks for.
var originShapes = map[string]func(*origin){
	"all interfaces": func(*origin) {},
	"contexts, typed rows": func(o *origin) {
		o.wrapRows = func(r *originRows) driver.Rows { return typedRows{r} }
	},
	"no context anywhere": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return oldConn{c} }
		o.wrapStmt = func(s *originStmt) driver.Stmt { return s }
	},
	"Prepare only": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return c }
		o.wrapStmt = func(s *originStmt) driver.Stmt { return s }
	},
	"Prepare only, typed rows": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return c }
		o.wrapRows = func(r *originRows) driver.Rows { return typedRows{r} }
	},
	"fast paths that decline": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return skippingConn{fullConn{c}} }
	},
	"statements know how many arguments they take": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return c }
		o.numInput = 1
	},
	"statements convert": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return c }
		o.wrapStmt = func(s *originStmt) driver.Stmt { return convertingStmt{s, shout{}} }
		o.numInput = 1
	},
	"statements check": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return skippingConn{fullConn{c}} }
		o.wrapStmt = func(s *originStmt) driver.Stmt { return checkingStmt{s, checkShout} }
	},
	"connections check": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn { return checkedConn{fullConn{c}, checkShout} }
	},
	"connections check, statements convert": func(o *origin) {
		skip := func(*driver.NamedValue) error { return driver.ErrSkip }
		o.wrapConn = func(c *originConn) driver.Conn { return checkedConn{fullConn{c}, skip} }
		o.wrapStmt = func(s *originStmt) driver.Stmt { return convertingStmt{s, shout{}} }
	},
	"connections remove arguments": func(o *origin) {
		o.wrapConn = func(c *originConn) driver.Conn {
			return checkedConn{fullConn{c}, func(nv *driver.NamedValue) error {
				if _, ok := nv.Value.(removeMe); ok {
					return driver.ErrRemoveArgument
				}
				return driver.ErrSkip
			}}
		}
		o.numInput = 1
	},
}

// shout converts texts to upper case and refuses numbers.
type shout struct{}

func (shout) ConvertValue(v any) (driver.Value, error) {
	switch v := v.(type) {
	case string:
		return strings.ToUpper(v), nil
	case loud:
		return "LOUD " + v.s, nil
	case int, int64:
		return nil, errNumber
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}

var errNumber = errors.New("origin: a number is no word")

func checkShout(nv *driver.NamedValue) (err error) {
	nv.Value, err = shout{}.ConvertValue(nv.Value)
	return err
}

// loud is a type that only an origin's own check can make a value of.
type loud struct{ s string }

// removeMe is an option in the disguise of an argument.
type removeMe struct{}

// valuer makes its own value.
type valuer struct{ v driver.Value }

func (v valuer) Value() (driver.Value, error) { return v.v, nil }

// transcript is all that a program can tell of a round of statements.
func transcript(t *testing.T, db *sql.DB, o *origin) []string {
	t.Helper()
	ctx := t.Context()
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	args := [][]any{
		{"word"}, {7}, {true}, {nil}, {[]byte("bytes")}, {valuer{"valued"}}, {loud{"x"}}, {new(int)}, {(*string)(nil)},
		{struct{ A int }{1}}, {}, {"two", "words"}, {removeMe{}, "word"}, {sql.Named("name", "word")},
		{sql.NullString{String: "null", Valid: true}}, {uint64(1) << 63}, {sql.Out{}},
	}
	received := func() string {
		var b strings.Builder
		for _, a := range o.lastArgs() {
			fmt.Fprintf(&b, " %q %d %T %v", a.Name, a.Ordinal, a.Value, a.Value)
		}
		return b.String()
	}
	for i, a := range args {
		before := o.count("")
		text, err := queryAll(ctx, db, "SELECT echo FROM t WHERE x = $1", a...)
		say("query %d: %s, %v", i, text, err)
		res, err := db.ExecContext(ctx, "UPDATE t SET x = $1", a...)
		if err == nil {
			n, _ := res.RowsAffected()
			say("exec %d: %d rows", i, n)
		}
		say("exec %d: %v; statements: %d; received:%s", i, err, o.count("")-before, received())
	}
	for _, query := range []string{"SELECT echo FROM t WHERE x = $1", "UPDATE t SET x = $1"} {
		stmt, err := db.PrepareContext(ctx, query)
		if err != nil {
			say("prepare: %v", err)
			continue
		}
		for i, a := range args {
			_, err := stmt.ExecContext(ctx, a...)
			say("prepared exec %d: %v; received:%s", i, err, received())
			rows, err := stmt.QueryContext(ctx, a...)
			if err != nil {
				say("prepared query %d: %v", i, err)
				continue
			}
			text, err := readAll(rows)
			say("prepared query %d: %s, %v", i, text, err)
		}
		say("close: %v", stmt.Close())
	}
	for _, opts := range []*sql.TxOptions{nil, {}, {ReadOnly: true}, {Isolation: sql.LevelSerializable}} {
		tx, err := db.BeginTx(ctx, opts)
		say("begin %v: error %t", opts, err != nil)
		if err != nil {
			continue
		}
		text, err := queryAll(ctx, tx, "SELECT echo FROM t WHERE x = $1", "word")
		say("in the transaction: %s, %v", text, err)
		say("commit: %v", tx.Commit())
	}
	return out
}

// queryAll gives the columns, the types and the rows of an answer as a text.
func queryAll(ctx context.Context, db interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) (string, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return "", err
	}
	return readAll(rows)
}

func readAll(rows *sql.Rows) (string, error) {
	defer rows.Close()
	var b strings.Builder
	for {
		types, err := rows.ColumnTypes()
		if err != nil {
			return b.String(), err
		}
		for _, c := range types {
			length, hasLength := c.Length()
			nullable, hasNullable := c.Nullable()
			precision, scale, hasPrecision := c.DecimalSize()
			fmt.Fprintf(&b, "%q %q %d %t %t %t %d %d %t %v; ", c.Name(), c.DatabaseTypeName(), length, hasLength,
				nullable, hasNullable, precision, scale, hasPrecision, c.ScanType())
		}
		values := make([]any, len(types))
		dest := make([]any, len(types))
		for i := range values {
			dest[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(dest...); err != nil {
				return b.String(), err
			}
			fmt.Fprintf(&b, "%#v; ", values)
		}
		if !rows.NextResultSet() {
			break
		}
		b.WriteString("next set: ")
	}
	if err := rows.Err(); err != nil {
		return b.String(), err
	}
	return b.String(), rows.Close()
}

// echoAnswer gives the arguments back as rows, of columns with every property.
func echoAnswer(_ string, args []driver.NamedValue) (*result, error) {
	r := &result{affected: int64(len(args)), cols: []column{{
		name: "echo", dbType: "WORD", length: 12, hasLength: true, nullable: true, hasNullable: true,
		precision: 5, scale: 2, hasPrecision: true, scan: reflect.TypeFor[string](),
	}}}
	for _, a := range args {
		r.rows = append(r.rows, []driver.Value{fmt.Sprintf("%T %v", a.Value, a.Value)})
	}
	return r, nil
}

// Whatever a driver lacks, a program gets from it through mlcache what it gets
// from it directly: the same arguments, values, types and errors.
func TestOriginFallbacksAreThoseOfDatabaseSQL(t *testing.T) {
	t.Parallel()
	for name, shape := range originShapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			build := func() *origin {
				o := newOrigin(echoAnswer)
				shape(o)
				return o
			}
			o := build()
			plain := sql.OpenDB(o)
			defer plain.Close()
			want := transcript(t, plain, o)
			for _, mode := range []mlcache.Mode{mlcache.ModeAuto, mlcache.ModeOff} {
				o := build()
				db, _ := openDriver(t, o, &mlcache.Config{Mode: mode})
				got := transcript(t, db, o)
				for i := range want {
					// The one error that mlcache makes itself.
					got[i] = strings.ReplaceAll(got[i], "mlcache: the origin driver", "sql: driver")
					if got[i] != want[i] {
						t.Errorf("%s:\nwith mlcache %s\nwithout      %s", mode, got[i], want[i])
					}
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				if o.open() != 0 {
					t.Errorf("%d connections left open", o.open())
				}
				if n, m := o.prepares.Load(), o.stmtCloses.Load(); n != m {
					t.Errorf("%d statements prepared, %d closed", n, m)
				}
			}
		})
	}
}
