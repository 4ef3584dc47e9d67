package mlcache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/invalidation"
)

// loadSchema reads catalog and session over a connection of its own. It returns
// last, if not nil, where the schema turns out to be the same still, and the server
// with its configuration, too: of a text that is not understood everything may have
// changed, and connections lose what they know with the state. first, if not nil, is
// an answer to keep. connected is set when there is a connection.
func (e *engine) loadSchema(ctx context.Context, last *schemaState, first *firstAnswer, connected *atomic.Bool) (*schemaState, error) {
	e.schema.own.closeIdle() // what is read stands for a fresh session
	own, err := e.schema.own.connect(ctx)
	if err != nil {
		return nil, err
	}
	connected.Store(true)
	keep := false
	defer func() {
		if keep {
			own.layDown()
		} else {
			own.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(own.ctx, schemaLoadTimeout)
	defer cancel()
	origin := own.Conn
	if pc := dbconn.Pgx(origin); pc != nil {
		e.learnTypes(ownTypesOn(pc.TypeMap()) != 0)
	}
	q := dbconn.NewQuerier(origin)
	st := &schemaState{loaded: time.Now(), cell: e.schema.cell}
	version := e.schema.known(ctx)
	st.version.Store(version)
	if dbconn.Pgx(origin) == nil {
		// An origin that is no PostgreSQL (a mock) gives itself away by a
		// statement that looks like none of its user's.
		if _, err := q.Query(ctx, "SHOW server_version_num"); err != nil {
			if !dbconn.Answered(origin, err) {
				return nil, err
			}
			return e.withoutCatalog(ctx, st, err)
		}
	}
	if err := st.seen.ask(ctx, q, true); err != nil {
		return nil, err
	}
	if last != nil {
		if now, err := catalog.Fingerprint(ctx, q, e.roles); err == nil && now == last.snapshot.Fingerprint() {
			st.snapshot = last.snapshot
		}
	}
	if st.snapshot == nil {
		st.snapshot, err = catalog.Load(ctx, q, e.roles)
	}
	if err != nil {
		// A PostgreSQL whose catalog cannot be read has views and policies all the same, and other users' processes may go by them.
		if dbconn.Pgx(origin) == nil && dbconn.Answered(origin, err) && dbconn.SQLState(err) != dbconn.InsufficientPrivilege {
			return e.withoutCatalog(ctx, st, err)
		}
		return nil, err
	}
	st.server = serverName(st.seen.system)
	st.libraries = e.schema.libraries.of(ctx, q)
	if st.base, err = readSession(ctx, q, st, e.sessionSalt(origin)); err != nil {
		return nil, err
	}
	pc := dbconn.Pgx(origin)
	if pc != nil {
		st.params = reportedParams(pc)
		if places, err := q.Query(ctx, placesQuery); err == nil {
			e.schema.own.setLimited(isLimited(places))
		}
		// Behind a pooler each question may be answered by another process.
		st.direct = st.base.pid == backendPID(pc)
		keep = st.direct && ctx.Err() == nil
	}
	e.schema.looks.kept.Store(keep)
	if last != nil && st.snapshot == last.snapshot && st.base.id == last.base.id && !last.seen.moved(st.seen) && !last.seen.born(st.seen) {
		last.version.Store(version)
		return last, nil
	}
	if first != nil {
		e.keepFirst(ctx, q, st, first)
	}
	return st, nil
}

// versionTimeout is how long reading the schema waits for Redis to tell its version.
const versionTimeout = 100 * time.Millisecond

// known returns the schema's version, 0 if Redis does not tell it.
func (l *schemaLoader) known(ctx context.Context) uint64 {
	if l.cell.Load() == 0 {
		ctx, cancel := context.WithTimeout(ctx, versionTimeout)
		defer cancel()
		_ = l.engine.versions.Ensure(ctx, []*invalidation.Cell{l.cell})
	}
	return l.cell.Load()
}

// withoutCatalog is the state of an origin that is up and has no catalog.
func (e *engine) withoutCatalog(ctx context.Context, st *schemaState, cause error) (*schemaState, error) {
	if ctx.Err() != nil {
		return nil, cause
	}
	st.base = e.privateSession
	e.warnNoCatalog.Do(func() {
		e.cfg.Logger.Warn("mlcache: this origin has no catalog that can be read: every identifier counts as a table, and every write drops everything")
	})
	return st, nil
}
