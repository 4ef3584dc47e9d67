package mlcache

import (
	"context"
	"strconv"

	"github.com/mlcache/mlcache/internal/dbconn"
)

// witness is what a server says of itself that can show, for the price of one small
// query, that what is known of it is known no more. What a server does not tell is
// empty, and shows nothing.
type witness struct {
	// birth is which server it is and since when its memory has been one: since its
	// start, or since it has recovered from the crash of one of its processes. A
	// server that was born anew may have lost commits whose answers were kept.
	birth string
	// conf is when the process that was asked has read the configuration: for a new
	// connection the time of the last reload, for an older one the time at which it
	// took that over (PostgreSQL manual 9.27, pg_conf_load_time).
	conf string
	// standby says whether the server recovers, so that its answers may lag.
	standby string
	// system is the answer to systemQuery, for the session's key.
	system [][]*string
}

// micros begins a time as a number that is written alike in every session.
const (
	micros    = "(pg_catalog.date_part('epoch', "
	microsEnd = ") OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8::pg_catalog.text"
)

const witnessQuery = `SELECT ` + micros + `pg_catalog.pg_conf_load_time()` + microsEnd + `, pg_catalog.pg_is_in_recovery()::pg_catalog.text`

// startQuery is the start of the server, as it stands in a session's key.
const startQuery = micros + `pg_catalog.pg_postmaster_start_time()` + microsEnd

// birthQuery is asked of each new connection only: nothing that it shows can change
// while one stays. Statistics begin anew after a crash that the server's first process
// has survived, at which its start does not change. Up to PostgreSQL 14 they are read
// from files, which takes a while.
const birthQuery = `SELECT ` + startQuery + `, ` + micros + `pg_catalog.pg_stat_get_bgwriter_stat_reset_time()` + microsEnd

// systemQuery tells two clusters with databases of one name apart. Some servers
// do not let everybody ask, so it must not be asked in a user's transaction, which
// the error would end.
const systemQuery = `SELECT 'system', system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()`

// ask completes what is known of a server by what it says now. new says that it is
// another connection than the last one. The error is one that says nothing of the
// server.
func (w *witness) ask(ctx context.Context, q dbconn.Querier, isNew bool) error {
	rows, err := q.Query(ctx, witnessQuery)
	if err != nil && !dbconn.Refused(err) {
		return err
	}
	w.conf, w.standby = dbconn.Cell(rows, 0), dbconn.Cell(rows, 1)
	if !isNew {
		return nil
	}
	rows, err = q.Query(ctx, birthQuery)
	if err != nil && !dbconn.Refused(err) {
		return err
	}
	start, since := dbconn.Cell(rows, 0), dbconn.Cell(rows, 1)
	rows, err = q.Query(ctx, systemQuery)
	if err != nil && !dbconn.Refused(err) {
		return err
	}
	w.birth, w.system = "", rows
	if start != "" {
		w.birth = start + " " + since + " " + dbconn.Cell(rows, 1)
	}
	return nil
}

// born: both tell, and it is not the same birth.
func (w witness) born(now witness) bool {
	return w.birth != "" && now.birth != "" && w.birth != now.birth
}

// moved: the configuration was loaded again, or the server became another kind.
func (w witness) moved(now witness) bool {
	return w.conf != "" && now.conf != "" && w.conf != now.conf || w.standby != "" && now.standby != "" && w.standby != now.standby
}

// movedSince is moved for what any session says, the new as the old: an old one reads
// the configuration when it is used next, so that its time may be later than that of
// the reload that is known. A time that is not later is no news.
func (w witness) movedSince(now witness, known string) bool {
	if w.standby != "" && now.standby != "" && w.standby != now.standby {
		return true
	}
	a, errA := strconv.ParseInt(known, 10, 64)
	b, errB := strconv.ParseInt(now.conf, 10, 64)
	return errA == nil && errB == nil && b > a
}
