package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// hindrances asks the cache's own judgement about each relation: whether the answer to
// "TABLE relation" could be kept, and why not.
func hindrances(r *Report, snapshot *catalog.Snapshot, relations [][]*string) {
	session := catalog.Session{SearchPath: []string{"pg_catalog", "public"}}
	by := map[mlcache.Reason][]string{}
	for _, row := range relations {
		closure := snapshot.Resolve(sqlinfo.Parse("TABLE "+pgx.Identifier{*row[0], *row[1]}.Sanitize()), session)
		if closure.Refusal == "" {
			continue
		}
		name := catalog.Scope(*row[0], *row[1])
		if closure.Detail != "" && closure.Detail != name {
			name += " (" + closure.Detail + ")"
		}
		by[closure.Refusal] = append(by[closure.Refusal], name)
	}
	if len(by) == 0 {
		r.ok("tables and views", "every one can be cached")
	}
	for _, reason := range mlcache.Reasons() {
		if names := by[reason]; len(names) > 0 {
			r.add(Warning, "tables and views, "+string(reason), fmt.Sprintf("%s cannot be cached, because %s: %s",
				count(len(names), "relation"), mlcache.ReasonDoc(reason), few(names)), mlcache.ReasonAdvice(reason))
		}
	}
}

// outside looks for what writes to tables without passing through mlcache.
func outside(ctx context.Context, r *Report, q text) {
	const invalidate = "after each such write run mlcache invalidate TABLE, or leave the tables out with mlcache_skip_tables, or give them a short TTL"
	for _, c := range []struct{ check, query, none, some, do string }{
		{"event triggers", `SELECT evtname::pg_catalog.text FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D' ORDER BY 1`,
			"none", "run at DDL or at login: what they write to tables is not seen when it is not mlcache that causes it", invalidate},
		{"subscriptions", `SELECT s.subname::pg_catalog.text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
			WHERE d.datname = pg_catalog.current_database() AND s.subenabled ORDER BY 1`,
			"no logical replication into this database", "write what they receive past mlcache", invalidate},
		{"jobs in the database", `SELECT extname::pg_catalog.text FROM pg_catalog.pg_extension WHERE extname IN ('pg_cron', 'pg_timetable', 'pgagent', 'timescaledb') ORDER BY 1`,
			"no extension that runs jobs", "may run jobs that write past mlcache", invalidate},
	} {
		rows, err := q.Query(ctx, c.query)
		if err != nil {
			// Not everybody may look everywhere.
			r.add(Warning, c.check, "cannot be looked at: "+err.Error(), "run the doctor as a user who may")
			continue
		}
		names := make([]string, 0, len(rows))
		for _, row := range rows {
			names = append(names, *row[0])
		}
		if len(names) == 0 {
			r.ok(c.check, "%s", c.none)
		} else {
			r.add(Warning, c.check, few(names)+" "+c.some, c.do)
		}
	}
}
