package sqlinfo

// Reason says in one word why an answer is not kept. Package sqlinfo gives those
// declared here; who knows more than the text (package catalog, the driver)
// declares further ones of the same type.
type Reason string

const (
	ReasonNone              Reason = ""
	ReasonSyntax            Reason = "syntax"
	ReasonEmpty             Reason = "empty"
	ReasonTooLong           Reason = "too_long"
	ReasonTooDeep           Reason = "too_deep"
	ReasonTooMany           Reason = "too_many_names"
	ReasonMultiStatement    Reason = "multi_statement"
	ReasonNotRead           Reason = "not_a_read"
	ReasonSession           Reason = "session"
	ReasonTransaction       Reason = "transaction"
	ReasonUtility           Reason = "utility"
	ReasonExplain           Reason = "explain"
	ReasonForUpdate         Reason = "for_update"
	ReasonSelectInto        Reason = "select_into"
	ReasonTableSample       Reason = "tablesample"
	ReasonSystemCatalog     Reason = "system_catalog"
	ReasonSystemColumn      Reason = "system_column"
	ReasonTempTable         Reason = "temp_table"
	ReasonSequence          Reason = "sequence"
	ReasonTimeFunction      Reason = "time_function"
	ReasonRandomFunction    Reason = "random_function"
	ReasonSessionFunction   Reason = "session_function"
	ReasonLockFunction      Reason = "lock_function"
	ReasonUnsafeFunction    Reason = "unsafe_function"
	ReasonUnknownFunction   Reason = "unknown_function"
	ReasonSpecialDate       Reason = "special_date"
	ReasonTimeWithZone      Reason = "time_with_zone"
	ReasonObjectIdentifier  Reason = "object_identifier"
	ReasonUnsupportedSyntax Reason = "unsupported_syntax"
)

var reasons = []struct {
	reason Reason
	doc    string
}{
	{ReasonSyntax, "the text is not SQL that mlcache can read; the database decides"},
	{ReasonEmpty, "the text holds no statement"},
	{ReasonTooLong, "the text is longer than mlcache reads for the cache"},
	{ReasonTooDeep, "parentheses are nested deeper than mlcache reads"},
	{ReasonTooMany, "the text holds more names than mlcache keeps track of"},
	{ReasonMultiStatement, "the text holds more than one statement"},
	{ReasonNotRead, "the statement changes data or the schema"},
	{ReasonSession, "the statement changes the session"},
	{ReasonTransaction, "the statement begins, ends or divides a transaction"},
	{ReasonUtility, "the statement is neither a query nor a change"},
	{ReasonExplain, "a plan, not data, is asked for"},
	{ReasonForUpdate, "the query locks rows (FOR UPDATE, FOR SHARE)"},
	{ReasonSelectInto, "SELECT INTO creates a table"},
	{ReasonTableSample, "TABLESAMPLE draws other rows each time"},
	{ReasonSystemCatalog, "the query reads a system catalog or information_schema"},
	{ReasonSystemColumn, "the query names a system column (ctid, xmin, ...), which changes without a write"},
	{ReasonTempTable, "the query names a temporary table"},
	{ReasonSequence, "the query reads or moves a sequence"},
	{ReasonTimeFunction, "the answer depends on the clock"},
	{ReasonRandomFunction, "the answer is random"},
	{ReasonSessionFunction, "the answer depends on the session, or changes it"},
	{ReasonLockFunction, "the query takes or frees an advisory lock"},
	{ReasonUnsafeFunction, "a built-in function is called whose answer may change without a write"},
	{ReasonUnknownFunction, "a function is called that is not known to be safe"},
	{ReasonSpecialDate, "a text that may say 'now' or 'today' is read as a date"},
	{ReasonTimeWithZone, "time with time zone takes its offset from the current date"},
	{ReasonObjectIdentifier, "a cast to regclass or its kin reads the system catalogs"},
	{ReasonUnsupportedSyntax, "the statement uses syntax that mlcache does not follow"},
}

// Reasons lists all reasons that package sqlinfo gives, in a fixed order.
func Reasons() []Reason {
	out := make([]Reason, len(reasons))
	for i := range reasons {
		out[i] = reasons[i].reason
	}
	return out
}

// String gives the reason as one lower-case word, fit for a metric's label; ""
// when there is none.
func (r Reason) String() string { return string(r) }

// ReasonDoc describes a reason of this package in one line; it is empty for any other.
func ReasonDoc(r Reason) string {
	for i := range reasons {
		if reasons[i].reason == r {
			return reasons[i].doc
		}
	}
	return ""
}
