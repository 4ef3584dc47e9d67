package test

import (
	"context"
	"database/sql/driver"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
)

// origin is a stand-in for a database driver. Which optional interfaces its
// connections, statements and rows have is chosen per test; what it hands out
// lies in memory that it overwrites at the next call, as a driver may.
type origin struct {
	// answer gives the result of a statement that does not belong to mlcache.
	answer func(query string, args []driver.NamedValue) (*result, error)
	// connect, if not nil, is asked before each connection is made.
	connect func(ctx context.Context) error
	// catalog makes the origin answer what mlcache asks of PostgreSQL.
	catalog bool
	// probe, if not nil, can make a statement of mlcache's own fail.
	probe func(query string) error

	wrapConn func(*originConn) driver.Conn
	wrapStmt func(*originStmt) driver.Stmt
	wrapRows func(*originRows) driver.Rows
	numInput int // of prepared statements; -1 for unknown
	resetErr atomic.Pointer[error]
	invalid  atomic.Bool

	connects, closes, prepares, stmtCloses atomic.Int64
	begins, commits, rollbacks, pings      atomic.Int64
	resets, nexts, connectorCloses         atomic.Int64

	mu     sync.Mutex
	seen   []string // statements that are not mlcache's own, in order
	probes []string // those that are
	args   [][]driver.NamedValue
	txOpts []driver.TxOptions
}

// result is an answer to a query.
type result struct {
	cols     []column
	rows     [][]driver.Value
	generate func(i int) []driver.Value // instead of rows; nil ends the result
	err      error                      // after the rows, in place of io.EOF
	closeErr error
	more     *result // the next result set
	affected int64
	onMore   func() // runs when the next result set is asked for
}

// column is what an origin says of a column.
type column struct {
	name, dbType     string
	length           int64
	hasLength        bool
	nullable         bool
	hasNullable      bool
	precision, scale int64
	hasPrecision     bool
	scan             reflect.Type
}

// newOrigin is an origin with all the optional interfaces of connections and
// statements, and none of rows.
func newOrigin(answer func(query string, args []driver.NamedValue) (*result, error)) *origin {
	return &origin{
		answer:   answer,
		wrapConn: func(c *originConn) driver.Conn { return fullConn{c} },
		wrapStmt: func(s *originStmt) driver.Stmt { return contextStmt{s} },
		wrapRows: func(r *originRows) driver.Rows { return r },
		numInput: -1,
	}
}

// intResult is one row of one column named n.
func intResult(n int64) *result {
	return &result{cols: []column{{name: "n"}}, rows: [][]driver.Value{{n}}}
}

func (o *origin) Connect(ctx context.Context) (driver.Conn, error) {
	if o.connect != nil {
		if err := o.connect(ctx); err != nil {
			return nil, err
		}
	}
	o.connects.Add(1)
	return o.wrapConn(&originConn{o: o}), nil
}

func (o *origin) Driver() driver.Driver { return originDriver{} }

func (o *origin) Close() error {
	o.connectorCloses.Add(1)
	return nil
}

type originDriver struct{}

func (originDriver) Open(string) (driver.Conn, error) { return nil, errors.New("not used") }

// count is how often a statement that contains part was run.
func (o *origin) count(part string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, q := range o.seen {
		if strings.Contains(q, part) {
			n++
		}
	}
	return n
}

// lastArgs are the arguments of the newest statement.
func (o *origin) lastArgs() []driver.NamedValue {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.args) == 0 {
		return nil
	}
	return o.args[len(o.args)-1]
}

// open is how many connections are open.
func (o *origin) open() int64 { return o.connects.Load() - o.closes.Load() }

func (o *origin) run(query string, args []driver.NamedValue) (*result, error) {
	if isProbe(query) {
		o.mu.Lock()
		o.probes = append(o.probes, query)
		o.mu.Unlock()
		if o.probe != nil {
			if err := o.probe(query); err != nil {
				return nil, err
			}
		}
		if !o.catalog {
			return nil, errors.New("origin: this is no PostgreSQL")
		}
		return catalogAnswer(query), nil
	}
	o.mu.Lock()
	o.seen = append(o.seen, query)
	o.args = append(o.args, args)
	o.mu.Unlock()
	return o.answer(query, args)
}

func (o *origin) query(query string, args []driver.NamedValue) (driver.Rows, error) {
	r, err := o.run(query, args)
	if err != nil {
		return nil, err
	}
	return o.wrapRows(&originRows{o: o, r: r}), nil
}

func (o *origin) exec(query string, args []driver.NamedValue) (driver.Result, error) {
	r, err := o.run(query, args)
	if err != nil {
		return nil, err
	}
	return driver.RowsAffected(r.affected), nil
}

func named(values []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(values))
	for i, v := range values {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return out
}

// originConn has no more than driver.Conn asks for.
type originConn struct {
	o      *origin
	closed bool
}

func (c *originConn) Prepare(query string) (driver.Stmt, error) {
	c.o.prepares.Add(1)
	return c.o.wrapStmt(&originStmt{o: c.o, query: query}), nil
}

func (c *originConn) Close() error {
	if c.closed {
		return errors.New("origin: connection closed twice")
	}
	c.closed = true
	c.o.closes.Add(1)
	return nil
}

func (c *originConn) Begin() (driver.Tx, error) {
	c.o.begins.Add(1)
	return originTx{c.o}, nil
}

type originTx struct{ o *origin }

func (t originTx) Commit() error   { t.o.commits.Add(1); return nil }
func (t originTx) Rollback() error { t.o.rollbacks.Add(1); return nil }

// fullConn has what modern drivers have, save for NamedValueChecker.
type fullConn struct{ *originConn }

func (c fullConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.o.query(query, args)
}

func (c fullConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.o.exec(query, args)
}

func (c fullConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return c.Prepare(query)
}

func (c fullConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.o.mu.Lock()
	c.o.txOpts = append(c.o.txOpts, opts)
	c.o.mu.Unlock()
	return c.Begin()
}

func (c fullConn) Ping(context.Context) error {
	c.o.pings.Add(1)
	return nil
}

func (c fullConn) ResetSession(context.Context) error {
	c.o.resets.Add(1)
	if err := c.o.resetErr.Load(); err != nil {
		return *err
	}
	return nil
}

func (c fullConn) IsValid() bool { return !c.o.invalid.Load() }

// checkedConn checks arguments itself.
type checkedConn struct {
	fullConn
	check func(*driver.NamedValue) error
}

func (c checkedConn) CheckNamedValue(nv *driver.NamedValue) error { return c.check(nv) }

// oldConn is a connection of before there were contexts.
type oldConn struct{ *originConn }

func (c oldConn) Query(query string, args []driver.Value) (driver.Rows, error) {
	return c.o.query(query, named(args))
}

func (c oldConn) Exec(query string, args []driver.Value) (driver.Result, error) {
	return c.o.exec(query, named(args))
}

// skippingConn has the fast paths and declines them.
type skippingConn struct{ fullConn }

func (c skippingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, driver.ErrSkip
}

func (c skippingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, driver.ErrSkip
}

// originStmt has no more than driver.Stmt asks for.
type originStmt struct {
	o      *origin
	query  string
	closed bool
}

func (s *originStmt) Close() error {
	if s.closed {
		return errors.New("origin: statement closed twice")
	}
	s.closed = true
	s.o.stmtCloses.Add(1)
	return nil
}

func (s *originStmt) NumInput() int { return s.o.numInput }

func (s *originStmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.o.query(s.query, named(args))
}

func (s *originStmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.o.exec(s.query, named(args))
}

type contextStmt struct{ *originStmt }

func (s contextStmt) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.o.query(s.query, args)
}

func (s contextStmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.o.exec(s.query, args)
}

// convertingStmt knows the types of its parameters.
type convertingStmt struct {
	*originStmt
	convert driver.ValueConverter
}

func (s convertingStmt) ColumnConverter(int) driver.ValueConverter { return s.convert }

// checkingStmt checks its arguments itself.
type checkingStmt struct {
	*originStmt
	check func(*driver.NamedValue) error
}

func (s checkingStmt) CheckNamedValue(nv *driver.NamedValue) error { return s.check(nv) }
