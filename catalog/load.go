package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Querier runs one statement and returns all its rows as text, NULL as nil; a
// statement without a result returns no rows. All statements of one call of
// [Load] must run on one connection, in order and with nothing between them,
// since Load begins and ends a transaction; a connection already in a
// transaction must not be used. The statements have no parameters and contain
// nothing that came from a user; every column of every result is of type text.
type Querier interface {
	Query(ctx context.Context, sql string) ([][]*string, error)
}

// errShape is returned when the server answers in a form that no supported
// version of PostgreSQL answers in.
var errShape = errors.New("mlcache: catalog: unexpected answer from the server")

// Load reads the schema in one read-only REPEATABLE READ transaction, so that
// the parts of the snapshot belong together. It needs no privilege beyond
// CONNECT, and waits at most one second for a lock held by DDL that is under way.
// It supports PostgreSQL 13 and later. The roles are those that the snapshot's
// fingerprint covers. On an error there is no snapshot, the
// transaction has been rolled back, and the rules of [NoCatalog] apply.
func Load(ctx context.Context, q Querier, roles Roles) (*Snapshot, error) {
	if _, err := q.Query(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return nil, fmt.Errorf("mlcache: catalog: %w", err)
	}
	s, err := load(ctx, q, roles)
	if err != nil {
		// The connection must not stay in a transaction because the caller's patience
		// has ended.
		_, _ = q.Query(context.WithoutCancel(ctx), "ROLLBACK")
		return nil, fmt.Errorf("mlcache: catalog: %w", err)
	}
	if _, err := q.Query(ctx, "COMMIT"); err != nil {
		return nil, fmt.Errorf("mlcache: catalog: %w", err)
	}
	return s, nil
}

func load(ctx context.Context, q Querier, roles Roles) (*Snapshot, error) {
	// With nothing but pg_catalog on the path, deparsed texts qualify every name
	// that is not built in, and so mean the same whoever reads them.
	rows, err := q.Query(ctx, querySettings)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return nil, errShape
	}
	version, err := strconv.Atoi(*rows[0][0])
	if err != nil {
		return nil, errShape
	}
	b := newBuilder()
	if b.fingerprint, err = fingerprint(ctx, q, roles); err != nil {
		return nil, err
	}
	for _, part := range parts(version) {
		rows, err := q.Query(ctx, part.sql)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if len(row) != part.columns {
				return nil, errShape
			}
			r := rowReader{row: row}
			part.add(b, &r)
			if r.bad {
				return nil, errShape
			}
		}
	}
	return b.build(), nil
}

// rowReader takes the columns of a row one after the other and remembers whether
// one did not read as it should.
type rowReader struct {
	row []*string
	at  int
	bad bool
}

// text takes a column; NULL, and one that is not there, read as "". See load for
// how many there must be.
func (r *rowReader) text() string {
	if r.at >= len(r.row) {
		return ""
	}
	p := r.row[r.at]
	r.at++
	if p == nil {
		return ""
	}
	return *p
}

// oid takes a column that holds an object identifier; NULL and 0 read as 0.
func (r *rowReader) oid() oid {
	s := r.text()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		r.bad = true
	}
	return oid(n)
}

// letter takes a column of type "char"; NULL reads as 0.
func (r *rowReader) letter() byte {
	s := r.text()
	if s == "" {
		return 0
	}
	if len(s) != 1 {
		r.bad = true
	}
	return s[0]
}

// truth takes a boolean column; NULL reads as false.
func (r *rowReader) truth() bool { return r.text() == "true" }

// number takes a small integer column; NULL reads as 0.
func (r *rowReader) number() int {
	s := r.text()
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		r.bad = true
	}
	return n
}
