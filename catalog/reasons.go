package catalog

import "github.com/mlcache/mlcache/sqlinfo"

// Reasons that only the catalog can give, beside those of package sqlinfo.
const (
	// ReasonVolatileFunction: a function is called that is declared VOLATILE, or
	// that is STABLE and cannot be followed.
	ReasonVolatileFunction sqlinfo.Reason = "volatile_function"
	// ReasonDynamicFunction: a function is called whose body cannot be read: it
	// runs dynamic SQL, or is written in another language than SQL or PL/pgSQL.
	ReasonDynamicFunction sqlinfo.Reason = "dynamic_function"
	// ReasonWritingFunction: a function is called that may change a table.
	ReasonWritingFunction sqlinfo.Reason = "writing_function"
	// ReasonUserOperator: an operator stands on a function that may give another
	// answer each time.
	ReasonUserOperator sqlinfo.Reason = "user_operator"
	// ReasonUserCast: a cast or a domain stands on a function that may give another
	// answer each time.
	ReasonUserCast sqlinfo.Reason = "user_cast"
	// ReasonForeignTable: the rows of a foreign table change out of sight.
	ReasonForeignTable sqlinfo.Reason = "foreign_table"
	// ReasonUnloggedTable: an unlogged table is emptied by a crash of the server,
	// which no write announces.
	ReasonUnloggedTable sqlinfo.Reason = "unlogged_table"
	// ReasonPolicy: a row security policy depends on something that cannot be
	// followed.
	ReasonPolicy sqlinfo.Reason = "policy"
	// ReasonClosure: more tables stand behind the statement than mlcache keeps
	// track of.
	ReasonClosure sqlinfo.Reason = "too_many_tables"
)

// Vouchable reports whether a refusal is of the kind that a caller overrules who names
// the tables behind the statement: there is code that cannot be seen into.
func Vouchable(r sqlinfo.Reason) bool {
	switch r {
	case sqlinfo.ReasonUnknownFunction, ReasonVolatileFunction, ReasonDynamicFunction, ReasonUserOperator, ReasonUserCast:
		return true
	}
	return false
}

var reasonDocs = []struct {
	reason sqlinfo.Reason
	doc    string
}{
	{ReasonVolatileFunction, "a function is called that is VOLATILE, or STABLE and not understood"},
	{ReasonDynamicFunction, "a function is called whose body cannot be read (dynamic SQL, another language)"},
	{ReasonWritingFunction, "a function is called that may change a table"},
	{ReasonUserOperator, "an operator stands on a function that is not IMMUTABLE"},
	{ReasonUserCast, "a cast or domain stands on a function that is not IMMUTABLE"},
	{ReasonForeignTable, "a foreign table changes out of sight"},
	{ReasonUnloggedTable, "an unlogged table is emptied by a crash of the server"},
	{ReasonPolicy, "a row security policy depends on something that cannot be followed"},
	{ReasonClosure, "more tables stand behind the statement than are kept track of"},
}

// Reasons lists the reasons that only the catalog gives, in a fixed order.
func Reasons() []sqlinfo.Reason {
	out := make([]sqlinfo.Reason, len(reasonDocs))
	for i, r := range reasonDocs {
		out[i] = r.reason
	}
	return out
}

// ReasonDoc describes a reason of the catalog or of package sqlinfo in one line;
// "" if it belongs to neither.
func ReasonDoc(r sqlinfo.Reason) string {
	for i := range reasonDocs {
		if reasonDocs[i].reason == r {
			return reasonDocs[i].doc
		}
	}
	return sqlinfo.ReasonDoc(r)
}
