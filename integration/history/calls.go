package history

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// callsDDL makes what changes the tables that a session names, for CALL, DO and SELECT.
func callsDDL(tables int) string {
	var b strings.Builder
	for t := range tables {
		fmt.Fprintf(&b, `
			CREATE PROCEDURE bump_%[1]d(which int, name text) LANGUAGE plpgsql AS
			$$ BEGIN UPDATE register_%[1]d SET n = n + 1, writer = name WHERE id = which; END $$;
			CREATE FUNCTION bumped_%[1]d(which int, name text) RETURNS bigint LANGUAGE sql AS
			$$ UPDATE register_%[1]d SET n = n + 1, writer = name WHERE id = which RETURNING n $$;
			CREATE PROCEDURE bump_and_commit_%[1]d(which int, name text, fails boolean) LANGUAGE plpgsql AS
			$$ BEGIN
				UPDATE register_%[1]d SET n = n + 1, writer = name WHERE id = which;
				COMMIT;
				IF fails THEN RAISE EXCEPTION 'later'; END IF;
			END $$;`, t)
	}
	b.WriteString(`
		CREATE PROCEDURE bump_any(tab int, which int, name text) LANGUAGE plpgsql AS
		$$ BEGIN EXECUTE format('UPDATE register_%s SET n = n + 1, writer = $1 WHERE id = $2', tab) USING name, which; END $$;
		CREATE PROCEDURE bump_two(tabs int[], rows int[], names text[], commits boolean, fails boolean) LANGUAGE plpgsql AS
		$$ BEGIN
			FOR i IN 1 .. array_length(tabs, 1) LOOP
				EXECUTE format('UPDATE register_%s SET n = n + 1, writer = $1 WHERE id = $2', tabs[i]) USING names[i], rows[i];
				IF commits AND i = 1 THEN COMMIT; END IF;
			END LOOP;
			IF fails THEN RAISE EXCEPTION 'later'; END IF;
		END $$;`)
	return b.String()
}

// isMeant: the error is a part of what was asked for.
func isMeant(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "P0001" && e.Message == "later"
}

// calls are the ways to write by code that runs in the server. Most of them commit by themselves.
var calls = []way{
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf("CALL bump_%d($1, $2)", c.number(ts[0])), ts[0].row, ts[0].by)
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		return c.db.QueryRowContext(ctx, fmt.Sprintf("SELECT bumped_%d($1, $2)", c.number(ts[0])), ts[0].row, ts[0].by).Scan(&ts[0].returned)
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf("CALL bump_and_commit_%d($1, $2, false)", c.number(ts[0])), ts[0].row, ts[0].by)
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		// Committed, and an error.
		_, err := c.db.ExecContext(ctx, fmt.Sprintf("CALL bump_and_commit_%d($1, $2, true)", c.number(ts[0])), ts[0].row, ts[0].by)
		return expected(err)
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf("DO $$ BEGIN %s; END $$", ts[0].literal()))
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf("DO $$ BEGIN %s; COMMIT; RAISE EXCEPTION 'later'; END $$", ts[0].literal()))
		return expected(err)
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, fmt.Sprintf("DO $$ BEGIN CALL bump_%d(%d, '%s'); END $$", c.number(ts[0]), ts[0].row, ts[0].by))
		return err
	}},
	{false, func(ctx context.Context, c *client, ts []*target) error {
		_, err := c.db.ExecContext(ctx, "CALL bump_any($1, $2, $3)", c.number(ts[0]), ts[0].row, ts[0].by)
		return err
	}},
	{true, func(ctx context.Context, c *client, ts []*target) error {
		// What comes after the COMMIT inside is undone by the failure.
		commits, fails := c.random.IntN(2) == 0, c.random.IntN(2) == 0
		var tabs, rows []int32
		var names []string
		for _, t := range ts {
			tabs, rows, names = append(tabs, int32(c.number(t))), append(rows, int32(t.row)), append(names, t.by)
		}
		_, err := c.db.ExecContext(ctx, "CALL bump_two($1, $2, $3, $4, $5)", tabs, rows, names, commits, fails)
		if !fails || !isMeant(err) {
			return err
		}
		for i, t := range ts {
			t.rolledBack = !commits || i > 0
		}
		return nil
	}},
	{true, func(ctx context.Context, c *client, ts []*target) error {
		// The block is undone, what comes after it is not.
		var b strings.Builder
		for i, t := range ts {
			if t.rolledBack = i < len(ts)-1; t.rolledBack {
				fmt.Fprintf(&b, "BEGIN %s; RAISE EXCEPTION 'undone'; EXCEPTION WHEN raise_exception THEN NULL; END; ", t.literal())
				continue
			}
			fmt.Fprintf(&b, "%s; ", t.literal())
		}
		_, err := c.db.ExecContext(ctx, "DO $$ BEGIN "+b.String()+"END $$")
		return err
	}},
}

// number is that in the name of the target's table.
func (c *client) number(t *target) int { return t.table % c.Shape.Tables }

// expected takes the error that was asked for, and no other, for success.
func expected(err error) error {
	switch {
	case isMeant(err):
		return nil
	case err == nil:
		return errors.New("no error where there must be one")
	}
	return err
}
