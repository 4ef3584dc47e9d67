package mlcache

import (
	"github.com/mlcache/mlcache/internal/bypass"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Reason says in one word why an answer did not come from the cache and was not
// kept. It is fit for a metric's label.
type Reason = sqlinfo.Reason

// The reasons that the driver itself gives. Packages sqlinfo and catalog have
// those of the text and of the schema.
const (
	// ReasonBypass: the caller asked for it, by WithBypass or a hint.
	ReasonBypass = bypass.Asked
	// ReasonMode: mlcache_mode is off, or optin and the statement has no hint.
	ReasonMode = bypass.Mode
	// ReasonInTransaction: reads inside a transaction go to the database.
	ReasonInTransaction = bypass.InTransaction
	// ReasonArgument: an argument that cannot be encoded exactly.
	ReasonArgument = bypass.Argument
	// ReasonDateArgument: a text argument such as 'now' or 'today'.
	ReasonDateArgument = bypass.DateArgument
	// ReasonFenced: a table of the statement is being written right now.
	ReasonFenced = bypass.Fenced
	// ReasonRedis: Redis did not answer, so nothing is known about other
	// processes' writes.
	ReasonRedis = bypass.RedisAway
	// ReasonTooLarge: the result is larger than mlcache_max_rows or
	// mlcache_max_bytes.
	ReasonTooLarge = bypass.TooLarge
	// ReasonNoCatalog: the database's catalog could not be read yet.
	ReasonNoCatalog = bypass.NoCatalog
	// ReasonUnwatched: nobody could look lately whether schema and configuration are
	// the same still.
	ReasonUnwatched = bypass.Unwatched
	// ReasonUnknownSession: the session's settings could not be read back.
	ReasonUnknownSession = bypass.UnknownSession
	// ReasonStandby: the server is a standby, whose answers may lag.
	ReasonStandby = bypass.Standby
	// ReasonEncoding: the database's encoding is not UTF8.
	ReasonEncoding = bypass.Encoding
	// ReasonTableList: mlcache_tables or mlcache_skip_tables says so.
	ReasonTableList = bypass.TableList
	// ReasonRule: a rule keeps one of the tables out of the cache.
	ReasonRule = bypass.Rule
	// ReasonChurn: the tables are written so often that answers are seldom used.
	ReasonChurn = bypass.Churn
	// ReasonNotStorable: the result has a form that cannot be stored.
	ReasonNotStorable = bypass.NotStorable
)

// Reasons lists every reason that there is, in a fixed order: those of the
// driver, of the text, of the schema.
func Reasons() []Reason { return bypass.All() }

// ReasonDoc describes a reason in one line; it is empty for what is none.
func ReasonDoc(r Reason) string { return bypass.Doc(r) }

// ReasonAdvice says in one line what would change it, for a statement that is not
// cached for that reason.
func ReasonAdvice(r Reason) string { return bypass.Advice(r) }
