package history_test

import (
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/history"
)

// noticing is how long a change of the server's configuration may stay unnoticed: it is looked at each second, and every
// ten where that cannot be.
const noticing = 15 * time.Second

// The configuration of the server is changed under the sessions of several processes: the search_path, by which names stand
// for other tables, and the time zone. One process has both by its DSN, and must never be shown another.
func reloads(t *testing.T, server *brokenRedis) (meant bool) {
	shape := history.Shape{Tables: 4, Rows: 2, Tenant: harness.NewNamespace(t)}
	f := newFleetOn(t, harness.StartPostgres(t), server, shape)
	f.reload(history.SearchPath, "public")
	f.reload(history.TimeZone, "+00")
	f.start()
	f.quiet(0, time.Second)
	f.sufferAll([]fault{movePath, moveZone}, []fault{movePath, moveZone, movePath, moveZone, deafen, suspend, kill, killUnanswered})
	h := f.finish()
	h.Settled(int64(noticing))
	return f.report(h, h.Bounded(int64(time.Second)))
}

var (
	movePath = fault{"search_path reloaded", func(f *fleet) {
		f.moved = !f.moved
		f.move(history.SearchPath, map[bool]string{false: "public", true: f.recorder.Shape.Tenant}[f.moved])
	}, 0, true}

	moveZone = fault{"TimeZone reloaded", func(f *fleet) {
		f.zone = (f.zone + 1) % 4
		f.move(history.TimeZone, []string{"+00", "+09", "-04", "+01"}[f.zone])
	}, 0, true}
)

// what a server is told for what an answer shows.
var told = map[string]string{"+00": "UTC", "+09": "Asia/Tokyo", "-04": "America/New_York", "+01": "Europe/London"}

// reload changes a setting of the server, for all sessions that have not set it themselves.
func (f *fleet) reload(name, value string) {
	f.t.Helper()
	to := value
	if name == history.TimeZone {
		to = told[value]
	}
	if to == f.recorder.Shape.Tenant {
		to += ", public"
	}
	s := history.Setting{Name: name, Value: value, Call: history.Now()}
	harness.Exec(f.t, f.direct, "ALTER SYSTEM SET "+name+" = "+literal(name, to))
	harness.Exec(f.t, f.direct, "SELECT pg_reload_conf()")
	// A session reads the file before its next statement, once the signal has come.
	harness.Eventually(f.t, 20*time.Second, "the server's sessions have "+to, func() bool {
		db := harness.Open(f.t, "pgx", f.postgres.DSN())
		defer db.Close()
		var got string
		return db.QueryRowContext(f.t.Context(), "SHOW "+name).Scan(&got) == nil && got == to
	})
	s.Return = history.Now()
	f.recorder.Changed(s)
}

// A list of names is no string.
func literal(name, to string) string {
	if name == history.SearchPath {
		return to
	}
	return "'" + to + "'"
}

// move changes a setting, and lets the processes write again when all have noticed.
func (f *fleet) move(name, value string) {
	f.t.Helper()
	for _, p := range f.processes {
		p.Hold()
	}
	f.wait(time.Second) // for the writes under way to end
	f.reload(name, value)
	harness.Eventually(f.t, 2*noticing, "all processes show "+value, func() bool {
		n := 0
		for _, shown := range f.recorder.Shown(name) {
			if shown == value {
				n++
			}
		}
		return n == fleetSize-1
	})
	f.wait(2 * time.Second) // for the other pools
	for _, p := range f.processes[1:] {
		p.Move(f.moved)
	}
	for _, p := range f.processes {
		p.Write()
	}
}
