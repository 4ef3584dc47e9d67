// Package trial runs a user's own queries over pgx and over mlcache in turn, and says
// what the cache would bring for each of them, or cost.
package trial

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Statement is one text, and what is known of it before it is run.
type Statement struct {
	Text string
	// Calls and TotalMS, the milliseconds that they took, are pg_stat_statements' and
	// zero for a file's.
	Calls   int64
	TotalMS float64
}

// MaxFile bounds the text that ReadStatements takes, in bytes, and MaxStatements the
// statements.
const (
	MaxFile       = 16 << 20
	MaxStatements = 10_000
)

// ReadStatements reads statements that end with semicolons, each text once.
func ReadStatements(r io.Reader) ([]Statement, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > MaxFile {
		return nil, fmt.Errorf("mlcache: more than %d MiB of SQL", MaxFile>>20)
	}
	var out []Statement
	seen := make(map[string]bool)
	for _, text := range split(string(b)) {
		if seen[text] {
			continue
		}
		if len(out) == MaxStatements {
			return nil, fmt.Errorf("mlcache: more than %d statements", MaxStatements)
		}
		seen[text] = true
		out = append(out, Statement{Text: text})
	}
	return out, nil
}

// split cuts a text at its semicolons. What cannot be read as SQL is one piece up to
// the end, which is refused later. So are the pieces of a function's body that
// holds semicolons outside of quotes, unless one is a query.
func split(text string) (out []string) {
	l := sqlinfo.NewLexer(text)
	first, end := -1, 0
	add := func() {
		if first >= 0 {
			out = append(out, text[first:end])
		}
		first = -1
	}
	for {
		token := l.Next()
		switch {
		case token.Kind == sqlinfo.TokenEOF:
			add()
			return out
		case token.Kind == sqlinfo.TokenError || token.Kind == sqlinfo.TokenJunk:
			if first < 0 {
				first = token.Start
			}
			end = len(text)
			add()
			return out
		case token.Kind == sqlinfo.TokenPunct && text[token.Start:token.End] == ";":
			add()
		default:
			if first < 0 {
				first = token.Start
			}
			end = token.End
		}
	}
}

// ErrNoStatistics is returned where the extension is not there, or not loaded.
var ErrNoStatistics = errors.New("mlcache: there is no pg_stat_statements in this database: it must be in shared_preload_libraries, and made by CREATE EXTENSION pg_stat_statements")

// ListStatements asks pg_stat_statements for the statements of the database on which
// most time was spent, at most top of them. hidden counts those among them whose text
// the user may not see.
func ListStatements(ctx context.Context, db *sql.DB, top int) (list []Statement, hidden int, err error) {
	var schema, column string
	err = db.QueryRowContext(ctx, `SELECT n.nspname, a.attname
		FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
		JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements'
		JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('total_exec_time', 'total_time')
		WHERE e.extname = 'pg_stat_statements'`).Scan(&schema, &column)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, ErrNoStatistics
	}
	if err != nil {
		return nil, 0, err
	}
	// The same text may be there for several users, and as part of a function or not.
	rows, err := db.QueryContext(ctx, fmt.Sprintf(`SELECT coalesce(query, '<insufficient privilege>'), sum(calls)::bigint, sum(%s)::float8
		FROM %s.pg_stat_statements
		WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
		GROUP BY 1 ORDER BY 3 DESC LIMIT $1`, column, pgx.Identifier{schema}.Sanitize()), top)
	if err != nil {
		if strings.Contains(err.Error(), "shared_preload_libraries") {
			return nil, 0, ErrNoStatistics
		}
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var s Statement
		if err := rows.Scan(&s.Text, &s.Calls, &s.TotalMS); err != nil {
			return nil, 0, err
		}
		if s.Text == "<insufficient privilege>" {
			hidden++
			continue
		}
		list = append(list, s)
	}
	return list, hidden, rows.Err()
}
