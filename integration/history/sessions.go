package history

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/mlcache/mlcache"
)

// sessionDDL makes what changes a session without SET in the text of the statement.
const sessionDDL = `
	CREATE FUNCTION go_to(path text, locally boolean) RETURNS void LANGUAGE plpgsql AS
	$$ BEGIN PERFORM set_config('search_path', path, locally); END $$;
	CREATE PROCEDURE walk_to(path text, locally boolean) LANGUAGE plpgsql AS
	$$ BEGIN PERFORM set_config('search_path', path, locally); END $$;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;`

// settings is the part of a session that says what register_0 names in it.
type settings struct {
	path   string // "" is the default, "$user", public
	tenant bool   // the role is the tenant
}

// session is a connection and what is known of its state, as PostgreSQL has it.
type session struct {
	*client
	conn *sql.Conn
	done []string // its statements, for a report
	now  settings
	kept settings // what stays after COMMIT
	// While a transaction is open:
	open   bool
	before settings // what stays after ROLLBACK
	points []point  // the savepoints s0, s1, …
	write  *target  // its one write
	call   int64
	stats  mlcache.Stats
}

// point is a savepoint.
type point struct {
	now, kept settings
	written   bool
}

// sessionSteps does a few things in a session that names now these tables and now those, and looks after
// each of them.
func (c *client) sessionSteps(ctx context.Context) {
	conn, err := c.db.Conn(ctx)
	if err != nil {
		c.violation("Conn failed: %v", err)
		return
	}
	s := &session{client: c, conn: conn}
	for range 3 + c.random.IntN(8) {
		if err = s.step(ctx); err != nil {
			break
		}
	}
	if s.open {
		err = errors.Join(err, s.end(ctx, c.random.IntN(2) == 0, false))
	}
	if err == nil && c.random.IntN(2) == 0 {
		// The next user of the connection is in a usual session again.
		err = s.exec(ctx, "RESET ROLE")
		err = errors.Join(err, s.exec(ctx, "RESET search_path"))
	} else {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	if err != nil && !errors.Is(err, mlcache.ErrRedisDown) {
		c.violation("a session failed: %v, after %s", err, strings.Join(s.done, "; "))
	}
	_ = conn.Close()
}

func (s *session) exec(ctx context.Context, query string, args ...any) error {
	s.done = append(s.done, fmt.Sprint(query, args))
	if _, err := s.conn.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

func (s *session) step(ctx context.Context) error {
	var err error
	switch n := s.random.IntN(10); {
	case n < 3:
		err = s.set(ctx)
	case n < 4:
		err = s.setRole(ctx)
	case n < 6:
		err = s.transactionStep(ctx)
	case n < 7:
		err = s.change(ctx)
	}
	if err == nil {
		err = s.look(ctx)
	}
	return err
}

// table is a table as the session names it: t is the number of a register's name.
func (s *session) table(t int) int {
	if s.now.path == s.Shape.Tenant || s.now.path == "" && s.now.tenant {
		return t + s.Shape.Tables
	}
	return t
}

// set changes the search_path in one of many ways.
func (s *session) set(ctx context.Context) error {
	path := s.Shape.Tenant
	if s.random.IntN(2) == 0 {
		path = "public"
	}
	locally := s.open && s.random.IntN(2) == 0
	local := ""
	if locally {
		local = "LOCAL "
	}
	plain := fmt.Sprintf("SET %ssearch_path = %s", local, path)
	var err error
	switch s.random.IntN(13) {
	case 0, 1:
		err = s.exec(ctx, plain)
	case 2:
		err = s.exec(ctx, "SELECT set_config('search_path', $1, $2)", path, locally)
	case 3:
		err = s.exec(ctx, "DO $$ BEGIN "+plain+"; END $$")
	case 4:
		err = s.exec(ctx, fmt.Sprintf("DO $$ BEGIN EXECUTE '%s'; END $$", plain))
	case 5:
		err = s.exec(ctx, fmt.Sprintf("DO $$ BEGIN PERFORM set_config('search_' || 'path', '%s', %t); END $$", path, locally))
	case 6:
		err = s.exec(ctx, "SELECT public.go_to($1, $2)", path, locally)
	case 7:
		err = s.exec(ctx, "CALL public.walk_to($1, $2)", path, locally)
	case 8:
		if !s.open { // in one, a failure would end it
			_, _ = s.conn.ExecContext(ctx, "DEALLOCATE goes")
			if err = s.exec(ctx, "PREPARE goes AS SELECT set_config('search_path', $1, $2)"); err == nil {
				err = s.exec(ctx, fmt.Sprintf("EXECUTE goes('%s', %t)", path, locally))
			}
			break
		}
		err = s.exec(ctx, plain)
	case 9:
		locally = false
		err = s.exec(ctx, "UPDATE pg_settings SET setting = $1 WHERE name = 'search_path'", path)
	case 10:
		err = s.exec(ctx, fmt.Sprintf("SET %sSCHEMA '%s'", local, path))
	case 11:
		path, locally = "", false
		err = s.exec(ctx, "RESET search_path")
	case 12:
		err = s.exec(ctx, fmt.Sprintf("DO $$ BEGIN IF true THEN %s; END IF; END $$", plain))
	}
	if err == nil {
		s.changed(locally, func(x *settings) { x.path = path })
	}
	return err
}

// setRole changes the role, by which the default search_path names the tenant's schema.
func (s *session) setRole(ctx context.Context) error {
	tenant, locally := s.random.IntN(3) > 0, s.open && s.random.IntN(2) == 0
	statement := "SET "
	if locally {
		statement += "LOCAL "
	}
	statement += "ROLE NONE"
	if tenant {
		statement = statement[:len(statement)-len("NONE")] + s.Shape.Tenant
	}
	if s.random.IntN(3) == 0 {
		statement = "DO $$ BEGIN " + statement + "; END $$"
	}
	err := s.exec(ctx, statement)
	if err == nil {
		s.changed(locally, func(x *settings) { x.tenant = tenant })
	}
	return err
}

func (s *session) changed(locally bool, change func(*settings)) {
	change(&s.now)
	if !locally {
		change(&s.kept)
	}
}

// transactionStep begins a transaction, ends one, or does something with savepoints.
func (s *session) transactionStep(ctx context.Context) error {
	if !s.open {
		err := s.exec(ctx, []string{"BEGIN", "START TRANSACTION", "BEGIN ISOLATION LEVEL READ COMMITTED"}[s.random.IntN(3)])
		if err == nil {
			s.open, s.before, s.kept = true, s.now, s.now
		}
		return err
	}
	switch n := s.random.IntN(8); {
	case n < 3 || len(s.points) == 0 && n < 6:
		err := s.exec(ctx, fmt.Sprint("SAVEPOINT s", len(s.points)))
		s.points = append(s.points, point{s.now, s.kept, s.write != nil})
		return err
	case n < 5:
		i := s.random.IntN(len(s.points))
		err := s.exec(ctx, fmt.Sprint("ROLLBACK TO SAVEPOINT s", i))
		s.now, s.kept = s.points[i].now, s.points[i].kept
		if s.write != nil && !s.points[i].written {
			s.write.rolledBack = true
		}
		s.points = s.points[:i+1]
		return err
	case n < 6:
		i := s.random.IntN(len(s.points))
		err := s.exec(ctx, fmt.Sprint("RELEASE SAVEPOINT s", i))
		s.points = s.points[:i]
		return err
	default:
		return s.end(ctx, n == 6, s.random.IntN(2) == 0)
	}
}

// end ends the transaction, and begins another one if it chains.
func (s *session) end(ctx context.Context, commits, chains bool) error {
	statement := "ROLLBACK"
	if commits {
		statement = "COMMIT"
	}
	if chains {
		statement += " AND CHAIN"
	}
	err := s.exec(ctx, statement)
	if errors.Is(err, mlcache.ErrRedisDown) { // refused before the database saw it, and the transaction is still open
		_, rollback := s.conn.ExecContext(ctx, "ROLLBACK")
		err = errors.Join(err, rollback)
		commits, chains = false, false
	}
	if w := s.write; w != nil {
		outcome := Committed
		switch {
		case errors.Is(err, mlcache.ErrRedisDown):
			outcome = Refused
		case err != nil:
			outcome = Unknown
		case !commits:
			outcome = RolledBack
		}
		s.tellWrites([]*target{w}, s.call, Now(), outcome, s.stats)
	}
	if commits {
		s.now = s.kept
	} else {
		s.now, s.kept = s.before, s.before
	}
	s.open, s.before, s.points, s.write = chains, s.now, nil, nil
	return err
}

// change writes to a register as the session names it. A transaction writes once: that it locks several rows, and in one
// order, is for other ways to write.
func (s *session) change(ctx context.Context) error {
	if s.write != nil || s.held.Load() {
		return nil
	}
	local := s.random.IntN(s.Shape.Tables)
	w := s.target(s.table(local))
	w.name = s.Shape.local(w.table) // without a schema
	call, before := Now(), s.handle.Stats()
	s.tellIntent(w, call)
	var err error
	switch s.random.IntN(4) {
	case 0:
		err = s.exec(ctx, "DO $$ BEGIN "+w.literal()+"; END $$")
	case 1:
		err = s.exec(ctx, w.update(), w.by, w.row)
	case 2:
		err = s.exec(ctx, fmt.Sprintf("CALL public.bump_%d($1, $2)", local), w.row, w.by)
	default:
		var tab int
		s.done = append(s.done, fmt.Sprint(w.update(), w.by, w.row))
		if err = s.conn.QueryRowContext(ctx, w.update()+" RETURNING tab, n", w.by, w.row).Scan(&tab, &w.returned); err == nil && tab != w.table {
			err = fmt.Errorf("%s is table %d, want %d: %+v", w.name, tab, w.table, s.now)
		}
	}
	if s.open && err == nil {
		s.write, s.call, s.stats = w, call, before
		return nil
	}
	outcome := Committed
	switch {
	case errors.Is(err, mlcache.ErrRedisDown):
		outcome = Refused
	case err != nil:
		outcome = Unknown
	}
	s.tellWrites([]*target{w}, call, Now(), outcome, before)
	return err
}

// look reads a register by the name that it has in any session.
func (s *session) look(ctx context.Context) error {
	local, row := s.random.IntN(s.Shape.Tables), 1+s.random.IntN(s.Shape.Rows)
	if s.write != nil && s.random.IntN(2) == 0 {
		local, row = s.write.table%s.Shape.Tables, s.write.row
	}
	want := s.Shape.register(s.table(local), row)
	var table, id int
	var got seen
	query := "SELECT tab, id, n, writer FROM " + s.Shape.local(local) + " WHERE id = $1"
	s.done = append(s.done, fmt.Sprint(query, row))
	call := Now()
	if err := s.conn.QueryRowContext(ctx, query, row).Scan(&table, &id, &got.version, &got.by); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	end := Now()
	if got.register = s.Shape.register(table, id); got.register != want {
		return fmt.Errorf("%s: an answer of table %d for table %d in %+v, transaction %t", query, table, s.table(local), s.now, s.open)
	}
	if w := s.write; w != nil && w.register == want {
		if own := got.by == w.by; own == w.rolledBack {
			return fmt.Errorf("%s: own write seen %t, rolled back %t, by %s", query, own, w.rolledBack, w.by)
		}
		if !w.rolledBack {
			return nil // nobody else may see it yet
		}
	}
	level := Mixed
	if s.open {
		level = Bypass
	}
	s.tellReads(fmt.Sprintf("row %d %d as %+v", s.table(local), row, s.now), []seen{got}, call, end, level)
	return nil
}
