package mlcache

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/invalidation"
)

// findsOut says whether any of the hub's pools asks anything: those that are off do not.
func (h *hub) findsOut() bool {
	h.listening.Lock()
	defer h.listening.Unlock()
	return len(h.askers) > 0
}

// over says which of the changes in doubt are over, by asking the servers of the hub's pools.
func (h *hub) over(ctx context.Context, doubts []invalidation.Doubt) []bool {
	h.listening.Lock()
	askers := make([]*asker, 0, len(h.askers))
	for _, a := range h.askers {
		askers = append(askers, a)
	}
	h.listening.Unlock()
	over := make([]bool, len(doubts))
	asked := make(map[string]bool)
	for _, a := range askers {
		st := a.engine.schema.current.Load()
		if st == nil || st.snapshot == nil || asked[st.server] {
			continue
		}
		asked[st.server] = a.ask(ctx, st.server, doubts, over)
	}
	return over
}

// asker finds out over one engine's database what has become of changes in doubt.
type asker struct {
	engine *engine

	mu        sync.Mutex
	inquiries map[string]*inquiry // by the doubt's ID
}

// inquiry is what is remembered of a doubt between two questions.
type inquiry struct {
	first time.Time // when its server was asked first
	began float64   // the same by the server's clock
	last  time.Time
	// of are those who can carry it out. Others may be processes that have begun since.
	of []string
	// running are the transactions of all sessions, once a statement that was under way must have arrived; nil before.
	running map[string]bool
}

const (
	askTimeout = 5 * time.Second
	// arrivesWithin is how long a statement may take to a server behind a pooler.
	arrivesWithin = 10 * time.Second
	// inquiryKept is how long an inquiry is kept that nobody asks for.
	inquiryKept = 10 * time.Minute
	// otherServer is how long a doubt is kept that only a server can resolve which nobody here knows.
	otherServer = 24 * time.Hour
)

// activityQuery tells which processes serve sessions and since when, by the server's clock, in seconds, and with runningQuery which
// transactions are under way.
const (
	activityQuery = `SELECT 'standby', pg_catalog.pg_is_in_recovery()::pg_catalog.text
UNION ALL SELECT 'now', pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())::pg_catalog.text
UNION ALL SELECT pid::pg_catalog.text, pg_catalog.date_part('epoch', backend_start)::pg_catalog.text
 FROM pg_catalog.pg_stat_activity WHERE pid IS NOT NULL`
	runningQuery = `
UNION ALL SELECT 'running', virtualxid FROM pg_catalog.pg_locks
 WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND virtualxid IS NOT NULL`
)

// activity is the answer.
type activity struct {
	now       float64
	processes map[string]float64 // when they began; 0 where the user may not know
	running   map[string]bool
}

func parseActivity(rows [][]*string) (*activity, bool) {
	act := &activity{processes: make(map[string]float64), running: make(map[string]bool)}
	master := false
	for _, row := range rows {
		if len(row) != 2 || row[0] == nil {
			return nil, false
		}
		value := ""
		if row[1] != nil {
			value = *row[1]
		}
		switch *row[0] {
		case "standby":
			master = value == "false"
		case "now":
			act.now, _ = strconv.ParseFloat(value, 64)
		case "running":
			act.running[value] = true
		default:
			act.processes[*row[0]], _ = strconv.ParseFloat(value, 64)
		}
	}
	// A standby does not know the processes of the server that it follows.
	return act, master && act.now > 0 && len(act.processes) > 0
}

// ask sets over for those of the doubts of which the server says so. It returns false if it could not be asked.
func (a *asker) ask(ctx context.Context, server string, doubts []invalidation.Doubt, over []bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	query := activityQuery
	for _, d := range doubts {
		if !named(d) {
			query = activityQuery + runningQuery
			break
		}
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	rows, err := a.engine.queryAside(ctx, query)
	if err != nil {
		return false
	}
	act, ok := parseActivity(rows)
	if !ok {
		return false
	}
	now := time.Now()
	for i, d := range doubts {
		q := a.inquiry(d, now, act)
		switch {
		case over[i]:
		case !servedBy(d, server):
			over[i] = now.Sub(q.first) > otherServer
		default:
			over[i] = q.over(d, now, act)
		}
		if over[i] {
			delete(a.inquiries, d.ID)
		}
	}
	for id, q := range a.inquiries {
		if now.Sub(q.last) > inquiryKept {
			delete(a.inquiries, id)
		}
	}
	return true
}

func (a *asker) inquiry(d invalidation.Doubt, now time.Time, act *activity) *inquiry {
	q := a.inquiries[d.ID]
	if q != nil && !slices.Equal(q.of, d.Holders) {
		if slices.ContainsFunc(q.of, isUnknown) {
			q.of, q.began = d.Holders, act.now
		} else {
			q = nil
		}
	}
	if q == nil {
		q = &inquiry{first: now, began: act.now, of: d.Holders}
		if a.inquiries == nil {
			a.inquiries = make(map[string]*inquiry)
		}
		a.inquiries[d.ID] = q
	}
	q.last = now
	return q
}

// over says whether none of the doubt's holders is there any more.
func (q *inquiry) over(d invalidation.Doubt, now time.Time, act *activity) bool {
	for _, holder := range d.Holders {
		if isUnknown(holder) {
			continue
		}
		process := processOf(holder)
		// One that began after the first question is another process of the same number.
		if began, there := act.processes[process]; there && began <= q.began {
			return false
		}
	}
	if named(d) {
		return true
	}
	if now.Sub(q.first) < arrivesWithin {
		return false
	}
	if q.running == nil {
		q.running = act.running
		return len(q.running) == 0
	}
	for transaction := range q.running {
		if !act.running[transaction] {
			delete(q.running, transaction)
		}
	}
	return len(q.running) == 0
}

// processOf is the process in the name of a holder, as the server numbers it.
func processOf(holder string) string {
	_, process, _ := strings.Cut(holder, "/")
	process, _, _ = strings.Cut(process, "-")
	return process
}

func isUnknown(holder string) bool {
	process := processOf(holder)
	return process == "" || process == unknownHolder
}

// named says whether it is known who can carry out the change.
func named(d invalidation.Doubt) bool {
	for _, holder := range d.Holders {
		if isUnknown(holder) {
			return false
		}
	}
	return len(d.Holders) > 0
}

// servedBy says whether the holders of the doubt are processes of the server, as far as anybody knows.
func servedBy(d invalidation.Doubt, server string) bool {
	for _, holder := range d.Holders {
		if of, _, _ := strings.Cut(holder, "/"); of != server && of != anyServer && server != anyServer {
			return false
		}
	}
	return true
}

// queryAside runs a query of mlcache's own over a connection that no user has.
func (e *engine) queryAside(ctx context.Context, query string) ([][]*string, error) {
	origin, err := e.origin.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer origin.Close()
	e.loggedIn(ctx)
	return dbconn.NewQuerier(origin).Query(ctx, query)
}
