package mlcache

import (
	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// nothingChanges is the advice where the statement does what caching cannot serve.
const nothingChanges = "nothing: only the database can answer it"

// advice says for each reason what would make the answer one that can be kept.
var advice = map[Reason]string{
	ReasonBypass:         "leave out WithBypass and the hint",
	ReasonMode:           "set mlcache_mode to auto, or put /* mlcache: on */ before the statement",
	ReasonInTransaction:  "read before or after the transaction, where its own changes are not needed",
	ReasonArgument:       "pass the argument as a basic type, time.Time, []byte or a type that implements driver.Valuer",
	ReasonDateArgument:   "compute the moment in the program and pass it as a time.Time, rounded if it can be",
	ReasonFenced:         "nothing: it passes when the write has ended",
	ReasonRedis:          "nothing: it passes when Redis answers again",
	ReasonTooLarge:       "ask for fewer rows (LIMIT), or raise mlcache_max_rows or mlcache_max_bytes",
	ReasonNoCatalog:      "nothing: it passes when the catalog has been read; the log says what keeps it",
	ReasonUnwatched:      "leave the database, and the role that mlcache uses, one connection more than the pools may open",
	ReasonUnknownSession: "nothing: the settings are read back before the next statement",
	ReasonStandby:        "open the pool on the primary",
	ReasonEncoding:       "use a database whose encoding is UTF8",
	ReasonTableList:      "change mlcache_tables or mlcache_skip_tables",
	ReasonRule:           "change the rule, by Handle.SetRules, in the file of rules or in mlcache_rules",
	ReasonNotStorable:    "ask for one result of ordinary rows",
	ReasonChurn:          "keep what changes all the time in a table of its own, or list its table in mlcache_skip_tables",

	sqlinfo.ReasonSyntax:            "write a statement that PostgreSQL accepts",
	sqlinfo.ReasonEmpty:             "write a statement",
	sqlinfo.ReasonTooLong:           "pass long values as arguments instead of in the text",
	sqlinfo.ReasonTooDeep:           "nest fewer parentheses, or move a part into a view",
	sqlinfo.ReasonTooMany:           "name fewer things in one statement, or move a part into a view",
	sqlinfo.ReasonMultiStatement:    "send the statements one by one",
	sqlinfo.ReasonNotRead:           nothingChanges,
	sqlinfo.ReasonSession:           nothingChanges,
	sqlinfo.ReasonTransaction:       nothingChanges,
	sqlinfo.ReasonUtility:           nothingChanges,
	sqlinfo.ReasonExplain:           nothingChanges,
	sqlinfo.ReasonForUpdate:         "leave out the locking clause where no lock is needed",
	sqlinfo.ReasonSelectInto:        nothingChanges,
	sqlinfo.ReasonTableSample:       "choose the rows by a condition instead of by chance",
	sqlinfo.ReasonSystemCatalog:     nothingChanges,
	sqlinfo.ReasonSystemColumn:      "name a column of the table's own",
	sqlinfo.ReasonTempTable:         "use a permanent table, or a CTE",
	sqlinfo.ReasonSequence:          nothingChanges,
	sqlinfo.ReasonTimeFunction:      "pass the moment as an argument, rounded if it can be: WHERE at > $1",
	sqlinfo.ReasonRandomFunction:    "choose by chance in the program",
	sqlinfo.ReasonSessionFunction:   "pass the value as an argument",
	sqlinfo.ReasonLockFunction:      nothingChanges,
	sqlinfo.ReasonUnsafeFunction:    nothingChanges,
	sqlinfo.ReasonUnknownFunction:   "explain it against the database (--dsn), which knows the function; if it is there, declare it IMMUTABLE or STABLE as it is",
	sqlinfo.ReasonSpecialDate:       "store moments in columns of a date or time type, and pass others as time.Time",
	sqlinfo.ReasonTimeWithZone:      "use timestamp with time zone",
	sqlinfo.ReasonObjectIdentifier:  nothingChanges,
	sqlinfo.ReasonUnsupportedSyntax: "write it in syntax that is older, or tell us of the statement",

	catalog.ReasonVolatileFunction: "declare the function IMMUTABLE or STABLE if it is (CREATE FUNCTION makes it VOLATILE unless told)",
	catalog.ReasonDynamicFunction:  "write the function in SQL or in PL/pgSQL without EXECUTE",
	catalog.ReasonWritingFunction:  nothingChanges,
	catalog.ReasonUserOperator:     "declare the operator's function IMMUTABLE if it is",
	catalog.ReasonUserCast:         "declare the function behind the cast or domain IMMUTABLE if it is",
	catalog.ReasonForeignTable:     "copy the rows into a table of this database, or a materialized view",
	catalog.ReasonUnloggedTable:    "make the table LOGGED",
	catalog.ReasonPolicy:           "let the policy depend on its own table's columns, current_user and current_setting('name') only",
	catalog.ReasonClosure:          "name fewer tables, or read a materialized view",
}

// ReasonAdvice says in one line what would change it, for a statement that is not
// cached for that reason.
func ReasonAdvice(r Reason) string { return advice[r] }
