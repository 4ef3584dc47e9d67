package sqlinfo

import "strings"

// Kind says what a statement does, as far as its text tells.
type Kind uint8

const (
	// Unknown: not understood, or not a statement at all.
	Unknown Kind = iota
	// Read: SELECT, VALUES, TABLE or WITH without data-modifying parts, and
	// EXPLAIN of anything unless ANALYZE runs a write.
	Read
	// Write: changes data or the schema: INSERT, UPDATE, DELETE, MERGE,
	// TRUNCATE, COPY FROM, REFRESH, CALL, DO, EXECUTE, all DDL, SELECT INTO.
	Write
	// Session: changes the state of the session: SET, RESET, DISCARD, PREPARE,
	// DEALLOCATE, LISTEN, UNLISTEN, LOAD.
	Session
	// Tx: begins, ends or divides a transaction.
	Tx
	// Other: understood, and without effect on any answer: SHOW, FETCH, CLOSE,
	// DECLARE, LOCK, NOTIFY, COPY TO, VACUUM, ANALYZE, ...
	Other
)

var kindNames = [...]string{"unknown", "read", "write", "session", "tx", "other"}

// String gives the kind in one lower-case word.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Name is a possibly qualified name as PostgreSQL's lexer hands it on: unquoted
// parts folded to lower case (ASCII letters only, as in a UTF-8 database),
// quoted parts kept, each part cut at 63 bytes. Schema and Catalog are empty
// where the text does not give them.
type Name struct {
	Catalog string // of a three-part name
	Schema  string
	Name    string
}

// String joins the parts by dots, quoting those which would otherwise read as
// something else.
func (n Name) String() string {
	var b strings.Builder
	for _, p := range [...]string{n.Catalog, n.Schema} {
		if p != "" {
			writePart(&b, p)
			b.WriteByte('.')
		}
	}
	writePart(&b, n.Name)
	return b.String()
}

func writePart(b *strings.Builder, p string) {
	if isPlain(p) {
		b.WriteString(p)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(p, `"`, `""`))
	b.WriteByte('"')
}

// isPlain reports whether p lexes as one unquoted identifier that folds to
// itself.
func isPlain(p string) bool {
	if p == "" || !isIdentStart(p[0]) {
		return false
	}
	for i := 0; i < len(p); i++ {
		if c := p[i]; !isIdentCont(c) || c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

// Info is what Parse finds in a statement. An Info is never changed after Parse
// has returned it, and may be shared. Its strings may share memory with the text.
type Info struct {
	// Kind of the statement. Of a text with several statements: Unknown when one
	// of them is, else the first of Write, Session, Tx, Other, Read that occurs.
	Kind Kind

	// Reads holds the relations that the statement may read, each spelling once,
	// in order of appearance. A chain a.b.c stands for all that it can mean (table
	// a; schema a, table b; catalog a, schema b, table c) where the text leaves
	// it open.
	Reads []Name
	// Writes holds the relations that the statement may change: the targets of
	// DML, and in DDL everything that is named. A function in Funcs may change more,
	// in a Read, a CALL or the query of a DECLARE as well (see WritesNothing).
	Writes []Name
	// Planned holds what an EXPLAIN that runs nothing would change if it did. A plan
	// is made for it, which may call functions that are not VOLATILE.
	Planned []Name
	// WritesAll: the statement may change anything, and Writes says nothing.
	WritesAll bool
	// DDL: changes the schema or the rights on it, so whatever was derived from
	// them must be derived anew.
	DDL bool

	// Fires: a command that event triggers may answer: DDL, SELECT INTO, REFRESH
	// MATERIALIZED VIEW, and REINDEX, from PostgreSQL 17 on.
	Fires bool

	// Maintains: VACUUM, ANALYZE, CLUSTER or REINDEX, which compute the expressions of
	// indexes anew, whatever these call.
	Maintains bool

	// Funcs holds the names that are, or may be, called. CURRENT_DATE and its kin,
	// which are calls without parentheses, stand here under their own names in
	// lower case.
	Funcs []Name
	// Attrs holds names that may be calls in functional notation: the f of t.f and
	// of (expr).f. They call a function only if one exists that takes such a row
	// or value.
	Attrs []Name
	// Operators holds the operators used, also those behind keywords (LIKE uses
	// ~~, IN uses =). Those written OPERATOR(schema.op) stand without the schema.
	// GROUP BY, DISTINCT, ORDER BY and set operations compare by operator classes,
	// which only a superuser makes; they are not here.
	Operators []string
	// Types holds the names used as types, among them some that are only
	// aliases.
	Types []Name
	// DateCasts holds what is cast to a date or time type and is neither a literal
	// nor a parameter: were such a value a text such as 'now' or 'today', the answer
	// would depend on the clock. It is filled for a Read that nothing else bars,
	// ReasonSessionFunction aside.
	DateCasts []DateCast

	// Refusal says why the answer of the statement must not be kept; "" when, as
	// far as the text tells, it may be. ReasonUnknownFunction is given only when
	// nothing else stands in the way: who knows the functions may overrule it. So is
	// ReasonSessionFunction, for whoever keys answers by the session.
	Refusal Reason
	// Detail names what led to Refusal: a function, a relation, a keyword; never
	// the value of a literal.
	Detail string

	// Statements counts the statements in the text; empty ones do not count.
	Statements int
	// Parts holds the statements of a text that has several, one by one; nil for
	// a text with fewer than two, or with more than fit (then WritesAll is set).
	Parts []*Info

	// Atomic: run outside a transaction, the statement has changed all that it
	// changes or nothing, and with an error of the server nothing. So are queries
	// and DML. CALL and DO may have committed before they fail, and so may what
	// cannot run inside a transaction (VACUUM, CREATE INDEX CONCURRENTLY).
	// A function in Funcs may change something over a session of its own.
	Atomic bool
	// TxOp says what a Tx does.
	TxOp TxOp
	// TxChain: COMMIT or ROLLBACK with AND CHAIN: a new transaction begins at once.
	TxChain bool
	// SessionOp says what a Session does.
	SessionOp SessionOp
	// Setting is the parameter that SET, SET LOCAL or RESET names, folded to lower
	// case; "" for the other operations.
	Setting string

	// SearchPath holds the schemas that SET search_path names, where all of them are
	// constants; nil where they are not, and for everything else.
	SearchPath []string

	// ChangesSession: may change a setting of the session or the role, for all that
	// the text tells: a Session, set_config, an UPDATE of pg_settings, and what runs
	// code that the text does not show or that is seldom proven harmless (DO,
	// EXECUTE). A function in Funcs may do so as well.
	ChangesSession bool
	// ChangedSettings holds, folded to lower case, the settings that a statement with
	// ChangesSession changes, if all that it does to the session are calls of
	// set_config that name the setting by a constant; nil if it may change others.
	ChangedSettings []string
	// Temp: creates a temporary object, or names one by the schema pg_temp.
	Temp bool
	// Params is the highest n of any $n; 0 if there is none.
	Params int
	// Hint is what a comment before or after the statement asks for.
	Hint Hint
}

// TxOp is what a transaction statement does.
type TxOp uint8

const (
	TxNone TxOp = iota
	TxBegin
	TxCommit
	TxRollback
	TxSavepoint
	TxRollbackTo
	TxRelease
	TxPrepare
	TxCommitPrepared
	TxRollbackPrepared
	// TxSet is SET TRANSACTION.
	TxSet
)

var txNames = [...]string{
	"", "begin", "commit", "rollback", "savepoint", "rollback to", "release",
	"prepare transaction", "commit prepared", "rollback prepared", "set transaction",
}

// String gives the operation in lower-case words; TxNone is "".
func (o TxOp) String() string {
	if int(o) < len(txNames) {
		return txNames[o]
	}
	return ""
}

// SessionOp is what a session statement does.
type SessionOp uint8

const (
	SessionNone SessionOp = iota
	// SessionSet is SET or SET SESSION of the parameter in Info.Setting.
	SessionSet
	// SessionSetLocal is SET LOCAL of the parameter in Info.Setting.
	SessionSetLocal
	// SessionReset is RESET of the parameter in Info.Setting, or SET to DEFAULT.
	SessionReset
	SessionResetAll
	// SessionRole is SET [SESSION] ROLE, RESET ROLE, SET [SESSION] SESSION
	// AUTHORIZATION or RESET SESSION AUTHORIZATION.
	SessionRole
	// SessionRoleLocal is the same with LOCAL.
	SessionRoleLocal
	// SessionCharacteristics is SET SESSION CHARACTERISTICS.
	SessionCharacteristics
	// SessionConstraints is SET CONSTRAINTS.
	SessionConstraints
	SessionDiscardAll
	SessionDiscardTemp
	// SessionDiscardOther is DISCARD PLANS or DISCARD SEQUENCES.
	SessionDiscardOther
	SessionPrepare
	SessionDeallocate
	SessionListen
	SessionUnlisten
	SessionLoad
)

var sessionNames = [...]string{
	"", "set", "set local", "reset", "reset all", "role", "role local",
	"session characteristics", "constraints", "discard all", "discard temp",
	"discard other", "prepare", "deallocate", "listen", "unlisten", "load",
}

// String gives the operation in lower-case words; SessionNone is "".
func (o SessionOp) String() string {
	if int(o) < len(sessionNames) {
		return sessionNames[o]
	}
	return ""
}
