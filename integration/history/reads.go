package history

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// queryer is a *sql.DB, a *sql.Tx, or a *sql.Stmt in disguise.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// preparedOn runs every query as a prepared statement.
type preparedOn struct{ *client }

func (p preparedOn) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.prepared(ctx, query) //nolint:sqlclosecheck // the client keeps it
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// seen is one register in an answer.
type seen struct {
	register int
	version  int64
	by       string
}

// readRow reads a row, or more than that one, in one of several ways.
func (c *client) readRow(ctx context.Context, table, row int) {
	var on queryer = c.db
	switch c.random.IntN(20) {
	case 0, 1, 2:
		on = preparedOn{c}
	case 3:
		c.readInTransaction(ctx, table, row)
		return
	}
	form := c.random.IntN(10)
	c.readAs(ctx, on, table, row, form)
	if on == c.db && c.random.IntN(4) == 0 {
		// The same question to the other pool, in turn.
		for range 2 {
			c.turn()
			c.readAs(ctx, c.db, table, row, form)
		}
	}
}

func (c *client) readAs(ctx context.Context, on queryer, table, row, form int) {
	before := c.handle.Stats()
	call := Now()
	key, answer, err := c.ask(ctx, on, table, row, form)
	end := Now()
	after := c.handle.Stats()
	if err != nil {
		c.violation("%s failed after %v: %v", key, ms(end-call), err)
		return
	}
	l := level(before, after)
	c.tellReads(key, answer, call, end, l)
	if c.Roams {
		for _, s := range answer {
			c.tellSetting(SearchPath, c.schemaOf(s.register), call, end, l)
		}
	}
}

func (c *client) tellReads(key string, answer []seen, call, end int64, l Level) {
	for _, s := range answer {
		c.log.put(event{Kind: eventRead, Op: &Op{
			Process: c.Process, Client: c.id, Register: s.register, Version: s.version, By: s.by,
			Call: call, Return: end, Level: l, Key: key,
		}}, false)
	}
}

// ask reads one register, or several at once, in one of several ways.
func (c *client) ask(ctx context.Context, on queryer, table, row, form int) (key string, answer []seen, err error) {
	collect := func(query string, args ...any) (out []seen, err error) {
		rows, err := on.QueryContext(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			var table, row int
			var s seen
			if err := rows.Scan(&table, &row, &s.version, &s.by); err != nil {
				return nil, err
			}
			s.register = c.Shape.register(table, row)
			out = append(out, s)
		}
		return out, rows.Err()
	}
	want := 1
	switch form {
	default:
		key = fmt.Sprint("row ", table, " ", row)
		answer, err = collect("SELECT tab, id, n, writer FROM "+c.name(table)+" WHERE id = $1", row)
	case 7:
		key = fmt.Sprint("table ", table)
		want = c.Shape.Rows
		answer, err = collect("SELECT tab, id, n, writer FROM " + c.name(table) + " ORDER BY id")
	case 8:
		key = fmt.Sprint("view ", table, " ", row)
		answer, err = collect("SELECT tab, id, n, writer FROM "+strings.Replace(c.name(table), "register", "seen", 1)+" WHERE id = $1", row)
	case 9:
		key = fmt.Sprint("union ", row)
		want = 2
		answer, err = collect("SELECT tab, id, n, writer FROM register_0 WHERE id = $1 UNION ALL SELECT tab, id, n, writer FROM register_1 WHERE id = $1", row)
	}
	if err == nil && len(answer) != want {
		err = fmt.Errorf("%d rows, want %d", len(answer), want)
	}
	// The same text is asked in sessions of the tenant's, for which it names other tables.
	if err == nil && form != 9 && !c.Roams && !slices.ContainsFunc(answer, func(s seen) bool { return s.register == c.Shape.register(table, row) }) {
		err = fmt.Errorf("an answer of other tables: %v", answer)
	}
	return key, answer, err
}

// readInTransaction reads twice in one snapshot, which the first statement takes.
func (c *client) readInTransaction(ctx context.Context, table, row int) {
	call := Now()
	tx, err := c.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		c.violation("BEGIN failed: %v", err)
		return
	}
	defer tx.Rollback()
	_, first, err := c.ask(ctx, tx, table, row, 0)
	end := Now()
	if err == nil {
		var second []seen
		if _, second, err = c.ask(ctx, tx, table, row, 7); err == nil && second[row-1] != first[0] && (!c.Roams || second[row-1].register == first[0].register) {
			c.violation("one snapshot, two answers: %v and %v", first[0], second[row-1])
		}
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		c.violation("a transaction that reads failed: %v", err)
		return
	}
	c.tellReads("transaction", first, call, end, Bypass)
}
