package integration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/integration/harness"
)

// optional are the interfaces of database/sql/driver that a driver's types can
// have or lack, and the method by which pgx hands out its own connection.
var optional = append([]reflect.Type{
	reflect.TypeFor[driver.ColumnConverter](), reflect.TypeFor[driver.Conn](), reflect.TypeFor[driver.ConnBeginTx](), //nolint:staticcheck // lacking it is the point
	reflect.TypeFor[driver.ConnPrepareContext](), reflect.TypeFor[driver.Connector](), reflect.TypeFor[driver.Driver](),
	reflect.TypeFor[driver.DriverContext](), reflect.TypeFor[driver.Execer](), reflect.TypeFor[driver.ExecerContext](), //nolint:staticcheck // lacking it is the point
	reflect.TypeFor[driver.NamedValueChecker](), reflect.TypeFor[driver.Pinger](), reflect.TypeFor[driver.Queryer](), //nolint:staticcheck // lacking it is the point
	reflect.TypeFor[driver.QueryerContext](), reflect.TypeFor[driver.Result](), reflect.TypeFor[driver.Rows](),
	reflect.TypeFor[driver.RowsColumnTypeDatabaseTypeName](), reflect.TypeFor[driver.RowsColumnTypeLength](),
	reflect.TypeFor[driver.RowsColumnTypeNullable](), reflect.TypeFor[driver.RowsColumnTypePrecisionScale](),
	reflect.TypeFor[driver.RowsColumnTypeScanType](), reflect.TypeFor[driver.RowsNextResultSet](),
	reflect.TypeFor[driver.SessionResetter](), reflect.TypeFor[driver.Stmt](), reflect.TypeFor[driver.StmtExecContext](),
	reflect.TypeFor[driver.StmtQueryContext](), reflect.TypeFor[driver.Tx](), reflect.TypeFor[driver.Validator](), reflect.TypeFor[driver.Valuer](),
	reflect.TypeFor[interface{ Conn() *pgx.Conn }](),
}, optionalSince127...)

// A program that asks a value of mlcache's for an optional interface finds what it
// would find on pgx's.
func TestParityOfInterfaces(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, `CREATE TABLE p (id int); INSERT INTO p SELECT generate_series(1, 3)`)
	theirs := typesOf(t, harness.Open(t, "pgx", dsn))
	ours := typesOf(t, harness.Open(t, "mlcache", harness.With(dsn, "mlcache_max_rows", "2")))
	fmt.Printf("parity of optional interfaces, %s\n%-28s %-26s %-26s differences\n", runtime.Version(), "value", "pgx", "mlcache")
	for _, name := range typeNames {
		var different []string
		for _, i := range optional {
			if a, b := theirs[name].Implements(i), ours[name].Implements(i); a != b {
				different = append(different, fmt.Sprintf("%v: pgx %t, mlcache %t", i, a, b))
			}
		}
		verdict := "none"
		if different != nil {
			verdict = strings.Join(different, "; ")
			t.Errorf("%s: %s", name, verdict)
		}
		fmt.Printf("%-28s %-26v %-26v %s\n", name, theirs[name], ours[name], verdict)
	}
}

var typeNames = []string{"driver", "connection", "statement", "transaction", "result", "rows passed through", "rows read anew", "rows from the cache", "rows streamed", "rows of RETURNING"}

func typesOf(t *testing.T, db *sql.DB) map[string]reflect.Type {
	ctx := harness.Context(t)
	out := map[string]reflect.Type{"driver": reflect.TypeOf(db.Driver())}
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(raw any) error {
		out["connection"] = reflect.TypeOf(raw)
		conn := raw.(interface {
			driver.ConnPrepareContext
			driver.ConnBeginTx
			driver.ExecerContext
			driver.QueryerContext
		})
		stmt, err := conn.PrepareContext(ctx, "SELECT id FROM p WHERE id = $1")
		if err != nil {
			return err
		}
		out["statement"] = reflect.TypeOf(stmt)
		if err := stmt.Close(); err != nil {
			return err
		}
		tx, err := conn.BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			return err
		}
		out["transaction"] = reflect.TypeOf(tx)
		if err := tx.Rollback(); err != nil {
			return err
		}
		result, err := conn.ExecContext(ctx, "UPDATE p SET id = id", nil)
		if err != nil {
			return err
		}
		out["result"] = reflect.TypeOf(result)
		for _, q := range [][2]string{
			{"rows passed through", "SELECT now()"},
			{"rows read anew", "SELECT id FROM p WHERE id < 2"},
			{"rows from the cache", "SELECT id FROM p WHERE id < 2"},
			{"rows streamed", "SELECT id FROM p"},
			{"rows of RETURNING", "UPDATE p SET id = id RETURNING id"},
		} {
			if err := typeOfRows(ctx, conn, q[0], q[1], out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func typeOfRows(ctx context.Context, conn driver.QueryerContext, name, query string, out map[string]reflect.Type) error {
	rows, err := conn.QueryContext(ctx, query, nil)
	if err != nil {
		return err
	}
	out[name] = reflect.TypeOf(rows)
	return rows.Close()
}
