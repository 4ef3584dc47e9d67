package mlcache

import "github.com/mlcache/mlcache/sqlinfo"

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
	// ReasonUnknownSession: the session's settings could not be read back.
	ReasonUnknownSession Reason = "unknown_session"
	// ReasonStandby: the server is a standby, whose answers may lag.
	ReasonStandby Reason = "standby"
	// ReasonEncoding: the database's encoding is not UTF8.
	ReasonEncoding Reason = "encoding"
	// ReasonTableList: mlcache_tables or mlcache_skip_tables says so.
	ReasonTableList Reason = "table_list"
	// ReasonNotStorable: the result has a form that cannot be stored.
	ReasonNotStorable Reason = "not_storable"
)
