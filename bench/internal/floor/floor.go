// Package floor is a database/sql driver that answers every query at once with
// the same rows from memory: what is left is the cost of database/sql itself,
// below which no driver can be.
package floor

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
)

// Connector makes connections that answer every query with Rows. The values are
// boxed once, so handing them out costs nothing.
type Connector struct {
	Columns []string
	Rows    [][]driver.Value
}

var _ driver.Connector = (*Connector)(nil)

// Connect never fails.
func (c *Connector) Connect(context.Context) (driver.Conn, error) { return &conn{c}, nil }

// Driver returns a driver that cannot open anything by name.
func (c *Connector) Driver() driver.Driver { return noDriver{} }

type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("floor: only through a Connector")
}

type conn struct{ c *Connector }

var (
	_ driver.QueryerContext    = (*conn)(nil)
	_ driver.NamedValueChecker = (*conn)(nil)
)

// QueryContext refuses SHOW, so that nobody takes this for a real server.
func (c *conn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.HasPrefix(query, "SHOW ") {
		return nil, errOnlyRows
	}
	return &rows{c: c.c}, nil
}

func (c *conn) CheckNamedValue(*driver.NamedValue) error { return nil }

func (c *conn) Close() error { return nil }

var (
	errOnlyQueries = errors.New("floor: only queries")
	errOnlyRows    = errors.New("floor: there is no server")
)

func (c *conn) Prepare(string) (driver.Stmt, error) { return nil, errOnlyQueries }

func (c *conn) Begin() (driver.Tx, error) { return nil, errOnlyQueries }

type rows struct {
	c    *Connector
	next int
}

func (r *rows) Columns() []string { return r.c.Columns }

func (r *rows) Close() error { return nil }

func (r *rows) Next(dest []driver.Value) error {
	if r.next == len(r.c.Rows) {
		return io.EOF
	}
	copy(dest, r.c.Rows[r.next])
	r.next++
	return nil
}
