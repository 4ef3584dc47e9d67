package doctor

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/catalog"
)

// oldest is the oldest version of PostgreSQL that package catalog reads.
const oldest = 130000

// A catalog that takes longer than slowCatalog makes a start slow; one that takes
// longer than mlcache's limit of 10 seconds is never read.
const (
	slowCatalog = 2 * time.Second
	longCatalog = 8 * time.Second
)

// text runs queries as catalog.Load wants them.
type text struct{ conn *pgx.Conn }

func (t text) Query(ctx context.Context, sql string) ([][]*string, error) {
	results, err := t.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	var rows [][]*string
	for _, result := range results {
		for _, values := range result.Rows {
			row := make([]*string, len(values))
			for i, v := range values {
				if v != nil {
					s := string(v)
					row[i] = &s
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// database looks at the database and returns the scopes of its relations, nil if
// they could not be read.
func database(ctx context.Context, r *Report, cfg *mlcache.Config) map[string]bool {
	parsed, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		r.add(Error, "database", err.Error(), "correct the DSN") // pgx takes the password out
		return nil
	}
	began := time.Now()
	conn, err := pgx.ConnectConfig(ctx, parsed)
	if err != nil {
		r.add(Error, "database", err.Error(), "see that the server runs, and that user, password and network let this machine in")
		return nil
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	connected := time.Since(began)
	if err := conn.Ping(ctx); err != nil {
		r.add(Error, "database", err.Error(), "see the server's log")
		return nil
	}
	began = time.Now()
	_ = conn.Ping(ctx)
	r.ok("database", "answers in %s, connecting takes %s", round(time.Since(began)), round(connected))

	q := text{conn}
	// Not row by row: the names are those of sessionSettings, in that order.
	rows, err := q.Query(ctx, sessionSettings)
	if err != nil || len(rows) != 1 || len(rows[0]) != 5 {
		r.add(Error, "database", fmt.Sprintf("its settings cannot be read: %v", err), "see that this is a PostgreSQL, and its log")
		return nil
	}
	var got [5]string
	for i, p := range rows[0] {
		if p != nil {
			got[i] = *p
		}
	}
	if n, _ := strconv.Atoi(got[0]); n < oldest {
		r.add(Error, "database version", "PostgreSQL "+got[1], "use PostgreSQL 13 or newer: the catalog of this one is not read, and nothing is cached well")
	} else {
		r.ok("database version", "PostgreSQL %s", got[1])
	}
	if got[2] != "UTF8" {
		r.add(Error, "database encoding", got[2]+": nothing is cached", "use a database whose encoding is UTF8")
	} else {
		r.ok("database encoding", "UTF8")
	}
	if got[3] == "true" {
		r.add(Error, "database role", "a standby, whose answers may lag: nothing is cached", "name the primary in the DSN (pgx: target_session_attrs=read-write)")
	} else {
		r.ok("database role", "primary")
	}
	pooler(r, parsed, conn, got[4])
	return schema(ctx, r, q)
}

const sessionSettings = `SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),
  pg_catalog.current_setting('server_encoding'), pg_catalog.pg_is_in_recovery()::pg_catalog.text, pg_catalog.pg_backend_pid()::pg_catalog.text`

// pooler tells whether somebody stands in between: PgBouncer and its like make up
// the process ID of the cancel key (PostgreSQL manual 55.2.8), because a client
// has no process of its own.
func pooler(r *Report, parsed *pgx.ConnConfig, conn *pgx.Conn, pid string) {
	if strconv.FormatUint(uint64(conn.PgConn().PID()), 10) == pid {
		r.ok("pooler", "none between here and the database")
		return
	}
	switch mode := parsed.DefaultQueryExecMode; mode {
	case pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		r.ok("pooler", "there is one (PgBouncer or its like), and default_query_exec_mode=%s suits it", modeName(mode))
	default:
		r.add(Warning, "pooler", "there is one (PgBouncer or its like), and pgx prepares statements, which the next one in transaction mode may not find",
			"add default_query_exec_mode=cache_describe or exec to the DSN, unless the pooler keeps sessions or knows prepared statements")
	}
}

func modeName(m pgx.QueryExecMode) string {
	switch m {
	case pgx.QueryExecModeCacheDescribe:
		return "cache_describe"
	case pgx.QueryExecModeExec:
		return "exec"
	default:
		return "simple_protocol"
	}
}

// schema reads the catalog and looks for what hinders caching.
func schema(ctx context.Context, r *Report, q text) map[string]bool {
	began := time.Now()
	snapshot, err := catalog.Load(ctx, q, catalog.OwnRoles)
	took := time.Since(began)
	if err != nil {
		r.add(Error, "catalog", err.Error()+": nothing is cached before it can be read", "see the server's log; DDL that holds locks for long is a common cause")
		return nil
	}
	relations, err := q.Query(ctx, allRelations)
	if err != nil {
		r.add(Error, "catalog", err.Error(), "see the server's log")
		return nil
	}
	found := fmt.Sprintf("%s, read in %s", count(len(relations), "relation"), round(took))
	switch {
	case took > longCatalog:
		r.add(Error, "catalog", found, "mlcache gives up after 10s and caches nothing: bring the database nearer, or the number of objects down")
	case took > slowCatalog:
		r.add(Warning, "catalog", found, "each process reads it once, and again after DDL: bring the database nearer, or call Handle.Ready before serving")
	default:
		r.add(OK, "catalog", found, "")
	}
	hindrances(r, snapshot, relations)
	outside(ctx, r, q)
	scopes := make(map[string]bool, len(relations))
	for _, row := range relations {
		scopes[catalog.Scope(*row[0], *row[1])] = true
	}
	return scopes
}

const allRelations = `SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2`

// round shortens a duration for a person.
func round(d time.Duration) time.Duration {
	if d > 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
