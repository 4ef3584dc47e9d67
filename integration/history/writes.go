package history

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mlcache/mlcache"
)

// target is one register of a write, under a name of its own.
type target struct {
	table, row, register int
	name                 string // of the table, see [client.name]
	by                   string
	returned             int64 // by RETURNING; 0 if not asked for
	rolledBack           bool  // whatever becomes of the rest
}

func (c *client) target(table int) *target {
	return c.targetAt(table, 1+c.random.IntN(c.Shape.Rows))
}

func (c *client) targetAt(table, row int) *target {
	c.writes++
	return &target{table: table, row: row, register: c.Shape.register(table, row), name: c.name(table),
		by: fmt.Sprintf("%s%d.%d.%d", c.mark, c.Process, c.id, c.writes)}
}

// Two targets of one transaction are locked in one order, so that none waits for
// the other.
func (c *client) with(a *target) []*target {
	b := c.target(c.tableNow(c.random.IntN(c.Shape.Tables)))
	switch {
	case a.register == b.register:
		return []*target{a}
	case a.register > b.register:
		return []*target{b, a}
	}
	return []*target{a, b}
}

func (t *target) update() string {
	return fmt.Sprintf("UPDATE %s SET n = n + 1, writer = $1 WHERE id = $2", t.name)
}

// literal is the update without arguments.
func (t *target) literal() string {
	return fmt.Sprintf("UPDATE %s SET n = n + 1, writer = '%s' WHERE id = %d", t.name, t.by, t.row)
}

func (t *target) updateReturning() string { return t.update() + " RETURNING n" }

// way is a way to write.
type way struct {
	several bool
	run     func(ctx context.Context, c *client, ts []*target) error
}

// errRolledBack is what a way returns that rolled back as it meant to.
var errRolledBack = errors.New("rolled back")

var ways = []way{
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, ts[0].update(), ts[0].by, ts[0].row)
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		return c.db.QueryRowContext(ctx, ts[0].updateReturning(), ts[0].by, ts[0].row).Scan(&ts[0].returned)
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		s, err := c.prepared(ctx, ts[0].update())
		if err == nil {
			_, err = s.ExecContext(ctx, ts[0].by, ts[0].row)
		}
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		s, err := c.prepared(ctx, ts[0].updateReturning())
		if err == nil {
			err = s.QueryRowContext(ctx, ts[0].by, ts[0].row).Scan(&ts[0].returned)
		}
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		return c.db.QueryRowContext(ctx, "WITH u AS ("+ts[0].updateReturning()+") SELECT n FROM u", ts[0].by, ts[0].row).Scan(&ts[0].returned)
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf(`MERGE INTO %s r USING (SELECT $1::text AS writer, $2::int AS id) s ON r.id = s.id
			WHEN MATCHED THEN UPDATE SET n = r.n + 1, writer = s.writer`, ts[0].name), ts[0].by, ts[0].row)
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO %s VALUES ($2, 0, $1)
			ON CONFLICT (id) DO UPDATE SET n = %s.n + 1, writer = excluded.writer`, ts[0].name, c.Shape.local(ts[0].table)), ts[0].by, ts[0].row)
		return err
	}},
	{true, func(ctx context.Context, c *client, ts []*target) error {
		return c.transaction(ctx, ts, (*sql.Tx).Commit)
	}},
	{true, func(ctx context.Context, c *client, ts []*target) error {
		return c.transaction(ctx, ts, func(tx *sql.Tx) error { return errors.Join(errRolledBack, tx.Rollback()) })
	}},
	{true, func(ctx context.Context, c *client, ts []*target) error {
		// The last one is undone by a savepoint, if there are two.
		return c.transaction(ctx, ts, func(tx *sql.Tx) error {
			if len(ts) > 1 {
				if _, err := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT s1"); err != nil {
					return err
				}
				ts[1].rolledBack = true
			}
			return tx.Commit()
		})
	}},
	{true, func(ctx context.Context, c *client, ts []*target) error {
		// The transaction is written as SQL, on a connection of one's own.
		conn, err := c.db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
			return err
		}
		for _, t := range ts {
			if _, err := conn.ExecContext(ctx, t.update(), t.by, t.row); err != nil {
				_, _ = conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
				return err
			}
		}
		_, err = conn.ExecContext(ctx, "COMMIT")
		if errors.Is(err, mlcache.ErrRedisDown) {
			_, rollback := conn.ExecContext(ctx, "ROLLBACK")
			err = errors.Join(err, rollback)
		}
		return err
	}},
}

// transaction updates each target, looks at what it did, and ends as it is told.
func (c *client) transaction(ctx context.Context, ts []*target, end func(*sql.Tx) error) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i, t := range ts {
		if i > 0 {
			if _, err := tx.ExecContext(ctx, "SAVEPOINT s1"); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		var own []seen
		err := tx.QueryRowContext(ctx, t.updateReturning(), t.by, t.row).Scan(&t.returned)
		if err == nil {
			_, own, err = c.ask(ctx, tx, t.table, t.row, 0)
		}
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if want := (seen{t.register, t.returned, t.by}); own[0] != want {
			c.violation("a transaction does not see its own change: %v, want %v", own[0], want)
		}
	}
	return end(tx)
}

// write writes a row of the table, and perhaps another row with it, in one of
// several ways. It returns the row.
func (c *client) write(ctx context.Context, table int) int {
	limit := time.Duration(0)
	if c.random.Float64() < c.Cancel {
		limit = 1 + time.Duration(c.random.Int64N(int64(3*time.Millisecond)))
	}
	switch {
	case c.random.Float64() < c.Calls:
		return c.writeBy(ctx, calls[c.random.IntN(len(calls))], c.target(table), limit)
	case c.Shape.Tenant != "" && !c.Roams && c.random.IntN(8) == 0:
		// The tenant's, by its qualified name. Not by code, which finds its tables by the session's search_path.
		c.writeBy(ctx, ways[c.random.IntN(len(ways))], c.target(table+c.Shape.Tables), limit)
		fallthrough
	default:
		return c.writeBy(ctx, ways[c.random.IntN(len(ways))], c.target(table), limit)
	}
}

// writeBy writes the target, and perhaps another one with it, and returns its row. A limit, if there is one, is how
// long that may take, so that the outcome may be unknown.
func (c *client) writeBy(ctx context.Context, w way, first *target, limit time.Duration) int {
	ts := []*target{first}
	if w.several && c.random.IntN(2) == 0 {
		ts = c.with(first)
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	before := c.handle.Stats()
	call := Now()
	for _, t := range ts {
		c.tellIntent(t, call)
	}
	err := w.run(ctx, c, ts)
	end := Now()
	outcome := Committed
	switch {
	case err == nil:
	case errors.Is(err, mlcache.ErrRedisDown):
		outcome = Refused
	case errors.Is(err, errRolledBack):
		outcome = RolledBack
	case limit > 0:
		outcome = Unknown
	default:
		outcome = Unknown
		c.violation("a write failed after %v: %v", ms(end-call), err)
	}
	c.tellWrites(ts, call, end, outcome, before)
	return first.row
}

func (c *client) tellIntent(t *target, call int64) {
	c.log.put(event{Kind: eventIntent, Op: c.writeOp(t, call)}, true)
}

// tellWrites tells the outcome of what was written together; before is what was counted before the first of it.
func (c *client) tellWrites(ts []*target, call, end int64, outcome Outcome, before mlcache.Stats) {
	after := c.handle.Stats()
	for _, t := range ts {
		op := c.writeOp(t, call)
		op.Return, op.Outcome = end, outcome
		if outcome == Committed {
			op.Version = t.returned
		}
		if t.rolledBack {
			op.Outcome, op.Version = RolledBack, 0
		}
		op.Unfenced = after.FenceErrors != before.FenceErrors
		op.Late = after.LateReleases != before.LateReleases
		c.log.put(event{Kind: eventWritten, Op: op}, true)
	}
}

func (c *client) writeOp(t *target, call int64) *Op {
	return &Op{Process: c.Process, Client: c.id, Register: t.register, By: t.by, Call: call}
}
