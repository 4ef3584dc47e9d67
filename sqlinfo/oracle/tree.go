package oracle

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mlcache/mlcache/sqlinfo"
)

// finding is what PostgreSQL's parse tree of one text holds.
type finding struct {
	statements []string // names of the tree's top nodes
	reads      []sqlinfo.Name
	writes     []sqlinfo.Name
	named      []sqlinfo.Name // relations named in DDL, read or written
	funcs      []sqlinfo.Name
	attrs      []string
	operators  []string
	types      []sqlinfo.Name
	ddl        bool
	execute    bool // runs a statement that is not in the text
	locking    bool
	sample     bool
	into       bool
	dates      bool // a literal relative to now
	casts      castDates
	tx         pgquery.TransactionStmtKind
	temp       bool
	unusual    bool // system columns, TREAT, types whose input depends on more than text
}

// visit is the state of a walk through the tree: the CTEs in scope, and whether
// the statement is DDL.
type visit struct {
	sql  string
	out  *finding
	ctes []string
	ddl  bool
}

// find walks the tree of a parsed text.
func find(sql string, tree *pgquery.ParseResult) *finding {
	out := &finding{}
	for _, raw := range tree.GetStmts() {
		node := raw.GetStmt()
		if node == nil {
			continue
		}
		name, m := unwrap(node.ProtoReflect())
		out.statements = append(out.statements, name)
		// Each statement by itself: EXPLAIN drops what it found written.
		one := &finding{}
		v := visit{sql: sql, out: one}
		v.statement(name, m)
		out.merge(one)
	}
	return out
}

// unwrap gives the message that a Node holds.
func unwrap(m protoreflect.Message) (string, protoreflect.Message) {
	d := m.Descriptor()
	if string(d.Name()) != "Node" {
		return string(d.Name()), m
	}
	f := m.WhichOneof(d.Oneofs().Get(0))
	if f == nil {
		return "", nil
	}
	inner := m.Get(f).Message()
	return string(inner.Descriptor().Name()), inner
}

var utility = map[string]bool{
	"TransactionStmt": true, "VariableSetStmt": true, "VariableShowStmt": true, "DiscardStmt": true,
	"ListenStmt": true, "UnlistenStmt": true, "NotifyStmt": true, "LoadStmt": true, "FetchStmt": true,
	"ClosePortalStmt": true, "DeallocateStmt": true, "CheckPointStmt": true, "VacuumStmt": true,
	"ClusterStmt": true, "ReindexStmt": true, "LockStmt": true, "ConstraintsSetStmt": true,
	"PrepareStmt": true, "ExecuteStmt": true, "DoStmt": true,
}

var query = map[string]bool{
	"SelectStmt": true, "InsertStmt": true, "UpdateStmt": true, "DeleteStmt": true, "MergeStmt": true,
	"TruncateStmt": true, "CopyStmt": true, "RefreshMatViewStmt": true, "CallStmt": true,
	"DeclareCursorStmt": true, "ReturnStmt": true,
}

var systemColumn = map[string]bool{"ctid": true, "xmin": true, "xmax": true, "cmin": true, "cmax": true}

func (v *visit) statement(name string, m protoreflect.Message) {
	switch {
	case name == "TransactionStmt":
		v.out.tx = m.Interface().(*pgquery.TransactionStmt).GetKind()
	case name == "ExecuteStmt", name == "DoStmt":
		v.out.execute = true
	case utility[name]:
	case name == "ExplainStmt":
		_, inner := unwrap(field(m, "query"))
		if inner == nil {
			return
		}
		v.statement(string(inner.Descriptor().Name()), inner)
		if !analyzes(m.Interface().(*pgquery.ExplainStmt)) {
			v.out.writes, v.out.ddl, v.out.into, v.out.execute = nil, false, false, false
		}
	case query[name]:
		v.message(m)
	default:
		v.out.ddl, v.ddl = true, true
		v.message(m)
	}
}

func field(m protoreflect.Message, name string) protoreflect.Message {
	return m.Get(m.Descriptor().Fields().ByName(protoreflect.Name(name))).Message()
}

// children walks all fields of m but those named.
func (v *visit) children(m protoreflect.Message, except ...string) {
	m.Range(func(f protoreflect.FieldDescriptor, val protoreflect.Value) bool {
		if f.Kind() != protoreflect.MessageKind {
			return true
		}
		for _, e := range except {
			if string(f.Name()) == e {
				return true
			}
		}
		if f.IsList() {
			for l, i := val.List(), 0; i < l.Len(); i++ {
				v.node(l.Get(i).Message())
			}
			return true
		}
		v.node(val.Message())
		return true
	})
}

func (v *visit) node(m protoreflect.Message) {
	_, inner := unwrap(m)
	if inner != nil {
		v.message(inner)
	}
}

func (v *visit) message(m protoreflect.Message) {
	out := v.out
	out.casts.note(m)
	switch x := m.Interface().(type) {
	case *pgquery.SelectStmt:
		v.with(x.GetWithClause(), func() { v.children(m, "with_clause") })
	case *pgquery.InsertStmt:
		out.writes = append(out.writes, rangeName(x.GetRelation()))
		v.with(x.GetWithClause(), func() { v.children(m, "with_clause", "relation") })
	case *pgquery.UpdateStmt:
		out.writes = append(out.writes, rangeName(x.GetRelation()))
		v.with(x.GetWithClause(), func() { v.children(m, "with_clause", "relation") })
	case *pgquery.DeleteStmt:
		out.writes = append(out.writes, rangeName(x.GetRelation()))
		v.with(x.GetWithClause(), func() { v.children(m, "with_clause", "relation") })
	case *pgquery.MergeStmt:
		out.writes = append(out.writes, rangeName(x.GetRelation()))
		v.with(x.GetWithClause(), func() { v.children(m, "with_clause", "relation") })
	case *pgquery.TruncateStmt:
		for _, r := range x.GetRelations() {
			out.writes = append(out.writes, rangeName(r.GetRangeVar()))
		}
	case *pgquery.RefreshMatViewStmt:
		out.writes = append(out.writes, rangeName(x.GetRelation()))
	case *pgquery.CopyStmt:
		if x.GetRelation() != nil {
			if x.GetIsFrom() {
				out.writes = append(out.writes, rangeName(x.GetRelation()))
			} else {
				out.reads = append(out.reads, rangeName(x.GetRelation()))
			}
		}
		v.children(m, "relation", "options")
	case *pgquery.IntoClause:
		out.into = true
		out.writes = append(out.writes, rangeName(x.GetRel()))
	case *pgquery.RangeVar:
		v.relation(x)
	case *pgquery.LockingClause:
		out.locking = true // its relations are names of FROM items
	case *pgquery.RangeTableSample:
		out.sample = true
		v.children(m, "method")
	case *pgquery.FuncCall:
		// TREAT(x AS type) comes out as a call of pg_catalog's cast to that type.
		if n := nameOf(x.GetFuncname()); !(n.Schema == "pg_catalog" && x.GetFuncformat() == pgquery.CoercionForm_COERCE_EXPLICIT_CALL && len(x.GetArgs()) == 1 && treats(v.sql, x)) {
			out.funcs = append(out.funcs, n)
		} else {
			out.unusual = true
		}
		v.children(m, "funcname")
	case *pgquery.SQLValueFunction:
		out.funcs = append(out.funcs, sqlinfo.Name{Name: valueFunction(x.GetOp())})
	case *pgquery.ColumnRef:
		fields := x.GetFields()
		if n := len(fields); n > 0 && systemColumn[fields[n-1].GetString_().GetSval()] {
			out.unusual = true
		}
		if n := len(fields); n > 1 && fields[n-1].GetString_() != nil {
			out.attrs = append(out.attrs, fields[n-1].GetString_().GetSval())
		}
	case *pgquery.A_Indirection:
		for _, i := range x.GetIndirection() {
			if s := i.GetString_(); s != nil {
				out.attrs = append(out.attrs, s.GetSval())
			}
		}
		v.children(m)
	case *pgquery.A_Expr:
		names := x.GetName()
		switch x.GetKind() {
		case pgquery.A_Expr_Kind_AEXPR_BETWEEN, pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN,
			pgquery.A_Expr_Kind_AEXPR_BETWEEN_SYM, pgquery.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
			out.operators = append(out.operators, ">=", "<=", ">", "<")
			names = nil
		}
		if len(names) > 0 {
			out.operators = append(out.operators, names[len(names)-1].GetString_().GetSval())
		}
		v.children(m, "name")
	case *pgquery.A_Const:
		if s := x.GetSval(); s != nil && sqlinfo.SpecialDate(s.GetSval()) {
			out.dates = true
		}
	case *pgquery.TypeName:
		n := nameOf(x.GetNames())
		out.types = append(out.types, n)
		if n.Name == "timetz" || strings.HasPrefix(n.Name, "reg") {
			out.unusual = true
		}
		v.children(m, "names") // its modifiers are expressions
	default:
		v.children(m)
	}
}

// with walks the CTEs of a statement and then, with their names in scope, the rest.
func (v *visit) with(w *pgquery.WithClause, rest func()) {
	scope := v.ctes
	if w.GetRecursive() {
		for _, c := range w.GetCtes() {
			v.ctes = append(v.ctes, c.GetCommonTableExpr().GetCtename())
		}
	}
	for _, c := range w.GetCtes() {
		cte := c.GetCommonTableExpr()
		v.node(cte.GetCtequery().ProtoReflect())
		if !w.GetRecursive() {
			v.ctes = append(v.ctes, cte.GetCtename())
		}
	}
	rest()
	v.ctes = v.ctes[:len(scope):len(scope)]
}

func (v *visit) relation(r *pgquery.RangeVar) {
	n := rangeName(r)
	if n.Schema == "" {
		for _, c := range v.ctes {
			if c == n.Name {
				return
			}
		}
	}
	if v.ddl {
		v.out.named = append(v.out.named, n)
		if r.GetRelpersistence() == "t" {
			v.out.temp = true
		}
		return
	}
	v.out.reads = append(v.out.reads, n)
}

func rangeName(r *pgquery.RangeVar) sqlinfo.Name {
	return sqlinfo.Name{Catalog: r.GetCatalogname(), Schema: r.GetSchemaname(), Name: r.GetRelname()}
}

func nameOf(parts []*pgquery.Node) sqlinfo.Name {
	var n sqlinfo.Name
	for _, p := range parts {
		n.Catalog, n.Schema, n.Name = n.Schema, n.Name, p.GetString_().GetSval()
	}
	return n
}

func valueFunction(op pgquery.SQLValueFunctionOp) string {
	s := strings.ToLower(strings.TrimPrefix(op.String(), "SVFOP_"))
	return strings.TrimSuffix(s, "_n")
}

// treats reports whether the call is written TREAT(...).
func treats(sql string, f *pgquery.FuncCall) bool {
	i := int(f.GetLocation())
	return i >= 0 && i+5 <= len(sql) && strings.EqualFold(sql[i:i+5], "treat")
}

// analyzes reports whether EXPLAIN runs the statement.
func analyzes(x *pgquery.ExplainStmt) bool {
	on := false
	for _, o := range x.GetOptions() {
		d := o.GetDefElem()
		if d.GetDefname() != "analyze" {
			continue
		}
		on = true
		switch arg := d.GetArg(); {
		case arg.GetString_() != nil:
			s := strings.ToLower(arg.GetString_().GetSval())
			on = s != "off" && s != "false"
		case arg.GetBoolean() != nil:
			on = arg.GetBoolean().GetBoolval()
		case arg.GetInteger() != nil:
			on = arg.GetInteger().GetIval() != 0
		}
	}
	return on
}

func (f *finding) merge(o *finding) {
	f.reads = append(f.reads, o.reads...)
	f.writes = append(f.writes, o.writes...)
	f.named = append(f.named, o.named...)
	f.funcs = append(f.funcs, o.funcs...)
	f.attrs = append(f.attrs, o.attrs...)
	f.operators = append(f.operators, o.operators...)
	f.types = append(f.types, o.types...)
	f.ddl = f.ddl || o.ddl
	f.execute = f.execute || o.execute
	f.locking = f.locking || o.locking
	f.sample = f.sample || o.sample
	f.into = f.into || o.into
	f.dates = f.dates || o.dates
	f.temp = f.temp || o.temp
	f.unusual = f.unusual || o.unusual
	f.tx = o.tx
	f.casts = o.casts // of the last statement: several are never kept
}
