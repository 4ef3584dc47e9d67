package dbconn

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// QuoteLiteral writes a string constant that means the same whatever
// standard_conforming_strings says.
func QuoteLiteral(s string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// Querier runs a query of mlcache's own and returns its rows as text.
type Querier interface {
	Query(ctx context.Context, sql string) ([][]*string, error)
}

// NewQuerier adapts any origin connection.
func NewQuerier(origin driver.Conn) Querier {
	if pc := Pgx(origin); pc != nil {
		return PgxQuerier{pc}
	}
	return driverQuerier{origin}
}

// PgxQuerier is that of pgx's own connection. It uses the simple protocol: it prepares nothing on the server, which
// a connection pooler in between would mind.
type PgxQuerier struct{ Conn *pgx.Conn }

// Query takes several statements with semicolons between them, too, and returns the rows of all.
func (q PgxQuerier) Query(ctx context.Context, sql string) ([][]*string, error) {
	results, err := q.Conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var out [][]*string
	for _, r := range results {
		out = append(out, textRows(r)...)
	}
	return out, nil
}

func textRows(r *pgconn.Result) [][]*string {
	out := make([][]*string, len(r.Rows))
	for i, row := range r.Rows {
		out[i] = make([]*string, len(row))
		for j, cell := range row {
			if cell != nil {
				s := string(cell)
				out[i][j] = &s
			}
		}
	}
	return out
}

type driverQuerier struct{ conn driver.Conn }

func (q driverQuerier) Query(ctx context.Context, sql string) ([][]*string, error) {
	rows, err := Query(ctx, q.conn, sql, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	width := len(rows.Columns())
	var out [][]*string
	for {
		dest := make([]driver.Value, width)
		if err := rows.Next(dest); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		row := make([]*string, width)
		for i, v := range dest {
			var s string
			switch v := v.(type) {
			case nil:
				continue
			case string:
				s = v
			case []byte:
				s = string(v)
			default:
				s = fmt.Sprint(v)
			}
			row[i] = &s
		}
		out = append(out, row)
	}
}

// Cell returns a cell of the only row, empty where there is none.
func Cell(rows [][]*string, i int) string {
	if len(rows) != 1 || len(rows[0]) <= i || rows[0][i] == nil {
		return ""
	}
	return *rows[0][i]
}
