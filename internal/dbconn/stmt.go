package dbconn

import (
	"context"
	"database/sql/driver"
)

// Stmt is a statement that is prepared on a Conn, and again where that has got another connection since.
type Stmt struct {
	conn   *Conn
	origin driver.Stmt
	text   string
	number int // Conn.number when origin was prepared
}

// Prepare prepares a text. It needs a connection.
func (c *Conn) Prepare(ctx context.Context, text string) (Stmt, error) {
	origin, err := Prepare(ctx, c.Origin, text)
	if err != nil {
		return Stmt{}, err
	}
	c.prepared++
	return Stmt{conn: c, origin: origin, text: text, number: c.number}, nil
}

// HasPrepared says whether statements are prepared, which would be lost with the connection.
func (c *Conn) HasPrepared() bool { return c.prepared > 0 }

// Text is what was prepared.
func (s *Stmt) Text() string { return s.text }

// Close must be called once.
func (s *Stmt) Close() error {
	s.conn.prepared--
	if s.number != s.conn.number {
		return nil // it went with its connection
	}
	return s.origin.Close()
}

// NumInput leaves the count to the conversion of arguments where the driver's own checks may add or remove some; pgx has none.
func (s *Stmt) NumInput() int {
	if s.conn.Pgx == nil && s.conn.Origin != nil {
		return -1
	}
	return s.origin.NumInput()
}

// current returns the statement as prepared on the connection of now, which is open.
func (s *Stmt) current(ctx context.Context) (driver.Stmt, error) {
	if s.number != s.conn.number {
		origin, err := Prepare(ctx, s.conn.Origin, s.text)
		if err != nil {
			return nil, err
		}
		s.origin, s.number = origin, s.conn.number
	}
	return s.origin, nil
}

// Query runs it as a query. It needs a connection.
func (s *Stmt) Query(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	origin, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	return stmtQuery(ctx, s.conn.Origin, origin, args)
}

// Exec runs it where nobody wants its rows. It needs a connection.
func (s *Stmt) Exec(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	origin, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	return stmtExec(ctx, s.conn.Origin, origin, args)
}
