// Package bypass has the reasons for which an answer does not come from the cache and is not kept: what each means, and what
// would change it. Those of a text alone are package sqlinfo's and those of a schema package catalog's; the driver's own are
// here. To add one, write a row of the table and return it where it holds.
package bypass

import (
	"slices"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Reason is one word, fit for a metric's label. Empty stands for none.
type Reason = sqlinfo.Reason

// The driver's own.
const (
	Asked          Reason = "bypass"
	Mode           Reason = "mode"
	InTransaction  Reason = "in_transaction"
	Argument       Reason = "argument"
	DateArgument   Reason = "date_argument"
	Fenced         Reason = "fenced"
	RedisAway      Reason = "redis_away"
	TooLarge       Reason = "result_too_large"
	NoCatalog      Reason = "no_catalog"
	Unwatched      Reason = "unwatched"
	UnknownSession Reason = "unknown_session"
	Standby        Reason = "standby"
	Encoding       Reason = "encoding"
	TableList      Reason = "table_list"
	Rule           Reason = "rule"
	Churn          Reason = "written_often"
	NotStorable    Reason = "not_storable"
)

// nothingHelps is the advice where the statement does what caching cannot serve.
const nothingHelps = "nothing: only the database can answer it"

type row struct {
	reason      Reason
	doc, advice string
}

// table has every reason that there is, in a fixed order. Those of other packages are described there.
var table = []row{
	{Asked, "the caller asked for the database",
		"leave out WithBypass and the hint"},
	{Mode, "the mode is off, or optin and the statement has no hint",
		"set mlcache_mode to auto, or put /* mlcache: on */ before the statement"},
	{InTransaction, "a transaction reads its own state from the database",
		"read before or after the transaction, where its own changes are not needed"},
	{Argument, "an argument has a type that mlcache cannot encode exactly",
		"pass the argument as a basic type, time.Time, []byte or a type that implements driver.Valuer"},
	{DateArgument, "a text argument such as 'now' or 'today' depends on the clock",
		"compute the moment in the program and pass it as a time.Time, rounded if it can be"},
	{Fenced, "one of the tables is being written right now",
		"nothing: it passes when the write has ended"},
	{RedisAway, "Redis does not answer, so nothing is known of other processes' writes",
		"nothing: it passes when Redis answers again"},
	{TooLarge, "the result exceeds mlcache_max_rows or mlcache_max_bytes",
		"ask for fewer rows (LIMIT), or raise mlcache_max_rows or mlcache_max_bytes"},
	{NoCatalog, "the database's catalog could not be read yet",
		"nothing: it passes when the catalog has been read; the log says what keeps it"},
	{Unwatched, "nobody could look lately whether the schema and the server's configuration are the same still",
		"leave the database, and the role that mlcache uses, one connection more than the pools may open"},
	{UnknownSession, "the session's settings are not known",
		"nothing: the settings are read back before the next statement"},
	{Standby, "the server is a standby, whose answers may lag",
		"open the pool on the primary"},
	{Encoding, "the database's encoding is not UTF8",
		"use a database whose encoding is UTF8"},
	{TableList, "mlcache_tables or mlcache_skip_tables leaves the table out",
		"change mlcache_tables or mlcache_skip_tables"},
	{Rule, "a rule keeps the table out of the cache",
		"change the rule, by Handle.SetRules, in the file of rules or in mlcache_rules"},
	{Churn, "the tables are written so often that a kept answer is seldom used",
		"keep what changes all the time in a table of its own, or list its table in mlcache_skip_tables"},
	{NotStorable, "the result has a form that cannot be stored",
		"ask for one result of ordinary rows"},

	{sqlinfo.ReasonSyntax, "", "write a statement that PostgreSQL accepts"},
	{sqlinfo.ReasonEmpty, "", "write a statement"},
	{sqlinfo.ReasonTooLong, "", "pass long values as arguments instead of in the text"},
	{sqlinfo.ReasonTooDeep, "", "nest fewer parentheses, or move a part into a view"},
	{sqlinfo.ReasonTooMany, "", "name fewer things in one statement, or move a part into a view"},
	{sqlinfo.ReasonMultiStatement, "", "send the statements one by one"},
	{sqlinfo.ReasonNotRead, "", nothingHelps},
	{sqlinfo.ReasonSession, "", nothingHelps},
	{sqlinfo.ReasonTransaction, "", nothingHelps},
	{sqlinfo.ReasonUtility, "", nothingHelps},
	{sqlinfo.ReasonExplain, "", nothingHelps},
	{sqlinfo.ReasonForUpdate, "", "leave out the locking clause where no lock is needed"},
	{sqlinfo.ReasonSelectInto, "", nothingHelps},
	{sqlinfo.ReasonTableSample, "", "choose the rows by a condition instead of by chance"},
	{sqlinfo.ReasonSystemCatalog, "", nothingHelps},
	{sqlinfo.ReasonSystemColumn, "", "name a column of the table's own"},
	{sqlinfo.ReasonTempTable, "", "use a permanent table, or a CTE"},
	{sqlinfo.ReasonSequence, "", nothingHelps},
	{sqlinfo.ReasonTimeFunction, "", "pass the moment as an argument, rounded if it can be: WHERE at > $1"},
	{sqlinfo.ReasonRandomFunction, "", "choose by chance in the program"},
	{sqlinfo.ReasonSessionFunction, "", "pass the value as an argument"},
	{sqlinfo.ReasonLockFunction, "", nothingHelps},
	{sqlinfo.ReasonUnsafeFunction, "", nothingHelps},
	{sqlinfo.ReasonUnknownFunction, "", "explain it against the database (--dsn), which knows the function; if it is there, declare it IMMUTABLE or STABLE as it is"},
	{sqlinfo.ReasonSpecialDate, "", "store moments in columns of a date or time type, and pass others as time.Time"},
	{sqlinfo.ReasonTimeWithZone, "", "use timestamp with time zone"},
	{sqlinfo.ReasonObjectIdentifier, "", nothingHelps},
	{sqlinfo.ReasonUnsupportedSyntax, "", "write it in syntax that is older, or tell us of the statement"},
	{catalog.ReasonVolatileFunction, "", "declare the function IMMUTABLE or STABLE if it is (CREATE FUNCTION makes it VOLATILE unless told)"},
	{catalog.ReasonDynamicFunction, "", "write the function in SQL or in PL/pgSQL without EXECUTE"},
	{catalog.ReasonWritingFunction, "", nothingHelps},
	{catalog.ReasonUserOperator, "", "declare the operator's function IMMUTABLE if it is"},
	{catalog.ReasonUserCast, "", "declare the function behind the cast or domain IMMUTABLE if it is"},
	{catalog.ReasonForeignTable, "", "copy the rows into a table of this database, or a materialized view"},
	{catalog.ReasonUnloggedTable, "", "make the table LOGGED"},
	{catalog.ReasonPolicy, "", "let the policy depend on its own table's columns, current_user and current_setting('name') only"},
	{catalog.ReasonClosure, "", "name fewer tables, or read a materialized view"},
}

// All lists every reason, in a fixed order: those of the driver, of the text, of the schema.
func All() []Reason {
	all := make([]Reason, len(table))
	for i := range table {
		all[i] = table[i].reason
	}
	return all
}

// Doc describes a reason in one line; it is empty for what is none.
func Doc(r Reason) string {
	if i := find(r); i >= 0 && table[i].doc != "" {
		return table[i].doc
	}
	return catalog.ReasonDoc(r)
}

// Advice says in one line what would change it; it is empty for what is none.
func Advice(r Reason) string {
	if i := find(r); i >= 0 {
		return table[i].advice
	}
	return ""
}

func find(r Reason) int {
	return slices.IndexFunc(table, func(at row) bool { return at.reason == r })
}
