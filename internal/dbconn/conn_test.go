package dbconn

import (
	"context"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
)

// fakeConn is a driver's connection that says what it was asked.
type fakeConn struct {
	driver.Conn
	prepared, closed, resets int
	invalid                  bool
	resetErr                 error
}

func (c *fakeConn) Prepare(string) (driver.Stmt, error) {
	c.prepared++
	return &fakeStmt{}, nil
}
func (c *fakeConn) Close() error                       { c.closed++; return nil }
func (c *fakeConn) IsValid() bool                      { return !c.invalid }
func (c *fakeConn) ResetSession(context.Context) error { c.resets++; return c.resetErr }

type fakeStmt struct {
	driver.Stmt
	closed, ran int
}

func (s *fakeStmt) Close() error                               { s.closed++; return nil }
func (s *fakeStmt) NumInput() int                              { return -1 }
func (s *fakeStmt) Exec([]driver.Value) (driver.Result, error) { s.ran++; return nil, nil }

func notOwn(driver.Conn) bool { return false }

// The connection underneath is told that it is used again when it is, and once.
func TestResetIsPassedOnWhenItIsDue(t *testing.T) {
	t.Parallel()
	var c Conn
	if c.ResetLater(); !c.Reset(t.Context()) {
		t.Error("no connection is a bad one")
	}
	origin := &fakeConn{resetErr: errors.New("some error")}
	c.Use(origin, 1, notOwn)
	if !c.Reset(t.Context()) || origin.resets != 0 {
		t.Errorf("%d resets before one is due", origin.resets)
	}
	c.ResetLater()
	for range 2 {
		if !c.Reset(t.Context()) || origin.resets != 1 {
			t.Errorf("%d resets, want one, whatever its error", origin.resets)
		}
	}
	origin.resetErr = driver.ErrBadConn
	if c.ResetLater(); c.Reset(t.Context()) {
		t.Error("a bad connection passes")
	}
	origin.resetErr, origin.invalid = nil, true
	if c.ResetLater(); c.Reset(t.Context()) || origin.resets != 2 {
		t.Error("an invalid connection is reset, and passes")
	}
}

// A statement goes with its connection, and is prepared again on the next one.
func TestStatementIsPreparedOnTheConnectionOfNow(t *testing.T) {
	t.Parallel()
	var c Conn
	first, second := &fakeConn{}, &fakeConn{}
	c.Use(first, 1, notOwn)
	s, err := c.Prepare(t.Context(), "SELECT 1")
	if err != nil || s.Text() != "SELECT 1" || !c.HasPrepared() {
		t.Fatalf("%q %v", s.Text(), err)
	}
	old := s.origin.(*fakeStmt)
	c.Drop()
	c.Use(second, 2, notOwn)
	for range 2 {
		if _, err := s.Exec(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	now := s.origin.(*fakeStmt)
	if first.closed != 1 || second.prepared != 1 || old.ran != 0 || now.ran != 2 {
		t.Errorf("closed %d, prepared %d, ran %d and %d", first.closed, second.prepared, old.ran, now.ran)
	}
	c.Drop()
	if err := s.Close(); err != nil || now.closed != 0 || c.HasPrepared() {
		t.Errorf("a statement that went with its connection is closed: %v", err)
	}
}

type wrapper struct {
	driver.Conn
	inner driver.Conn
}

func (w wrapper) Raw() driver.Conn { return w.inner }

type anyConn interface{ driver.Conn }

type shows struct {
	anyConn
	pgx *pgx.Conn
}

func (s shows) Conn() *pgx.Conn { return s.pgx }

// pgx's connection is found behind wrappers that show it, but not behind the caller's own.
func TestConnectionBehindWrappers(t *testing.T) {
	t.Parallel()
	inner := shows{pgx: new(pgx.Conn)}
	var c Conn
	c.Use(wrapper{inner: wrapper{inner: inner}}, 1, notOwn)
	if c.Pgx != nil || c.Behind != inner.pgx {
		t.Error("it is not found")
	}
	c.Use(wrapper{inner: inner}, 1, func(c driver.Conn) bool { return c == driver.Conn(inner) })
	if c.Behind != nil {
		t.Error("the caller's own connection was asked")
	}
	endless := &wrapper{}
	endless.inner = endless
	if c.Use(endless, 1, notOwn); c.Behind != nil {
		t.Error("a wrapper of itself shows something")
	}
	if inTx, known := c.InTx(); inTx || known || c.InStep() || c.IsClosed() || c.IsGone(2) {
		t.Error("something is known of a connection that shows nothing")
	}
}
