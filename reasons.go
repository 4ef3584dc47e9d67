package mlcache

import (
	"slices"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Reason says in one word why an answer did not come from the cache and was not
// kept. It is fit for a metric's label.
type Reason = sqlinfo.Reason

// The reasons that the driver itself gives. Packages sqlinfo and catalog have
// those of the text and of the schema.
const (
	// ReasonBypass: the caller asked for it, by WithBypass or a hint.
	ReasonBypass Reason = "bypass"
	// ReasonMode: mlcache_mode is off, or optin and the statement has no hint.
	ReasonMode Reason = "mode"
	// ReasonInTransaction: reads inside a transaction go to the database.
	ReasonInTransaction Reason = "in_transaction"
	// ReasonArgument: an argument that cannot be encoded exactly.
	ReasonArgument Reason = "argument"
	// ReasonDateArgument: a text argument such as 'now' or 'today'.
	ReasonDateArgument Reason = "date_argument"
	// ReasonFenced: a table of the statement is being written right now.
	ReasonFenced Reason = "fenced"
	// ReasonRedis: Redis did not answer, so nothing is known about other
	// processes' writes.
	ReasonRedis Reason = "redis_away"
	// ReasonTooLarge: the result is larger than mlcache_max_rows or
	// mlcache_max_bytes.
	ReasonTooLarge Reason = "result_too_large"
	// ReasonNoCatalog: the database's catalog could not be read yet.
	ReasonNoCatalog Reason = "no_catalog"
	// ReasonUnwatched: nobody could look lately whether schema and configuration are
	// the same still.
	ReasonUnwatched Reason = "unwatched"
	// ReasonUnknownSession: the session's settings could not be read back.
	ReasonUnknownSession Reason = "unknown_session"
	// ReasonStandby: the server is a standby, whose answers may lag.
	ReasonStandby Reason = "standby"
	// ReasonEncoding: the database's encoding is not UTF8.
	ReasonEncoding Reason = "encoding"
	// ReasonTableList: mlcache_tables or mlcache_skip_tables says so.
	ReasonTableList Reason = "table_list"
	// ReasonRule: a rule keeps one of the tables out of the cache.
	ReasonRule Reason = "rule"
	// ReasonChurn: the tables are written so often that answers are seldom used.
	ReasonChurn Reason = "written_often"
	// ReasonNotStorable: the result has a form that cannot be stored.
	ReasonNotStorable Reason = "not_storable"
)

var reasonDocs = []struct {
	reason Reason
	doc    string
}{
	{ReasonBypass, "the caller asked for the database"},
	{ReasonMode, "the mode is off, or optin and the statement has no hint"},
	{ReasonInTransaction, "a transaction reads its own state from the database"},
	{ReasonArgument, "an argument has a type that mlcache cannot encode exactly"},
	{ReasonDateArgument, "a text argument such as 'now' or 'today' depends on the clock"},
	{ReasonFenced, "one of the tables is being written right now"},
	{ReasonRedis, "Redis does not answer, so nothing is known of other processes' writes"},
	{ReasonTooLarge, "the result exceeds mlcache_max_rows or mlcache_max_bytes"},
	{ReasonNoCatalog, "the database's catalog could not be read yet"},
	{ReasonUnwatched, "nobody could look lately whether the schema and the server's configuration are the same still"},
	{ReasonUnknownSession, "the session's settings are not known"},
	{ReasonStandby, "the server is a standby, whose answers may lag"},
	{ReasonEncoding, "the database's encoding is not UTF8"},
	{ReasonTableList, "mlcache_tables or mlcache_skip_tables leaves the table out"},
	{ReasonRule, "a rule keeps the table out of the cache"},
	{ReasonChurn, "the tables are written so often that a kept answer is seldom used"},
	{ReasonNotStorable, "the result has a form that cannot be stored"},
}

// Reasons lists every reason that there is, in a fixed order: those of the
// driver, of the text, of the schema.
func Reasons() []Reason {
	var out []Reason
	for _, d := range reasonDocs {
		out = append(out, d.reason)
	}
	for _, r := range slices.Concat(sqlinfo.Reasons(), catalog.Reasons()) {
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// ReasonDoc describes a reason in one line.
func ReasonDoc(r Reason) string {
	for _, d := range reasonDocs {
		if d.reason == r {
			return d.doc
		}
	}
	return catalog.ReasonDoc(r)
}
