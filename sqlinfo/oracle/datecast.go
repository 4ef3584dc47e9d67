package oracle

import (
	"fmt"
	"slices"

	pgquery "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mlcache/mlcache/sqlinfo"
)

// castDates is what a tree tells of casts to date and time types.
type castDates struct {
	columns  []string // that are cast, by their last names
	made     bool     // a text that the statement puts together is cast
	computed bool     // something else than a column, a literal or a parameter is
	labels   []string // that the statement gives to columns and relations
	madeAs   []string // those among them for a text that it puts together
	queries  int
}

var dateTypes = []string{
	"date", "time", "timestamp", "timestamptz", "timetz", "daterange", "tsrange", "tstzrange",
	"datemultirange", "tsmultirange", "tstzmultirange",
}

// keepers are types that a text goes through as it is, or not at all, on its way to a time.
var keepers = []string{"text", "varchar", "bpchar", "name", "bool", "int2", "int4", "int8", "float4", "float8", "numeric"}

// makers are functions that make a text of others.
var makers = []string{
	"array_to_string", "btrim", "chr", "concat", "concat_ws", "convert_from", "format", "initcap", "left",
	"lpad", "ltrim", "overlay", "quote_ident", "quote_literal", "regexp_replace", "repeat", "replace", "reverse",
	"right", "rpad", "rtrim", "split_part", "string_agg", "substr", "substring", "to_char", "translate",
	"jsonb_extract_path_text", "json_extract_path_text",
}

// makesText reports whether a function or an operator in the tree below m makes a
// text.
func makesText(m protoreflect.Message) (found bool) {
	switch x := m.Interface().(type) {
	case *pgquery.FuncCall:
		if n := nameOf(x.GetFuncname()); slices.Contains(makers, n.Name) && (n.Schema == "" || n.Schema == "pg_catalog") {
			return true
		}
	case *pgquery.A_Expr:
		if names := x.GetName(); len(names) > 0 {
			switch names[len(names)-1].GetString_().GetSval() {
			case "||", "->>", "#>>":
				return true
			}
		}
	}
	m.Range(func(f protoreflect.FieldDescriptor, val protoreflect.Value) bool {
		switch {
		case f.Kind() != protoreflect.MessageKind:
		case f.IsList():
			for l, i := val.List(), 0; i < l.Len() && !found; i++ {
				found = makesText(l.Get(i).Message())
			}
		default:
			found = makesText(val.Message())
		}
		return !found
	})
	return found
}

// noteDates looks at one node of a query.
func (c *castDates) note(m protoreflect.Message) {
	switch x := m.Interface().(type) {
	case *pgquery.SelectStmt:
		c.queries++
	case *pgquery.TypeCast:
		if slices.Contains(dateTypes, nameOf(x.GetTypeName().GetNames()).Name) {
			c.cast(x.GetArg())
		}
	case *pgquery.ResTarget:
		c.labels = append(c.labels, x.GetName())
		if x.GetName() != "" && x.GetVal() != nil && makesText(x.GetVal().ProtoReflect()) {
			c.madeAs = append(c.madeAs, x.GetName())
		}
	case *pgquery.Alias:
		c.labels = append(c.labels, x.GetAliasname())
		c.labelled(x.GetColnames())
	case *pgquery.CommonTableExpr:
		c.labels = append(c.labels, x.GetCtename())
		c.labelled(x.GetAliascolnames())
	case *pgquery.FuncCall:
		n := nameOf(x.GetFuncname())
		c.labels = append(c.labels, n.Name)
		if slices.Contains(dateTypes, n.Name) && len(x.GetArgs()) == 1 {
			c.cast(x.GetArgs()[0])
		}
	case *pgquery.ColumnDef:
		c.labels = append(c.labels, x.GetColname())
		c.computed = c.computed || slices.Contains(dateTypes, nameOf(x.GetTypeName().GetNames()).Name)
	case *pgquery.RangeTableFuncCol:
		c.labels = append(c.labels, x.GetColname())
		c.computed = c.computed || slices.Contains(dateTypes, nameOf(x.GetTypeName().GetNames()).Name)
	case *pgquery.JsonTableColumn:
		c.labels = append(c.labels, x.GetName())
		c.computed = c.computed || slices.Contains(dateTypes, nameOf(x.GetTypeName().GetNames()).Name)
	case *pgquery.JsonOutput:
		c.computed = c.computed || slices.Contains(dateTypes, nameOf(x.GetTypeName().GetNames()).Name)
	case *pgquery.TypeName:
		c.labels = append(c.labels, nameOf(x.GetNames()).Name)
	}
}

func (c *castDates) labelled(names []*pgquery.Node) {
	for _, n := range names {
		c.labels = append(c.labels, n.GetString_().GetSval())
	}
}

func (c *castDates) cast(arg *pgquery.Node) {
	if arg == nil {
		return
	}
	c.made = c.made || makesText(arg.ProtoReflect())
	for arg.GetTypeCast() != nil {
		inner := arg.GetTypeCast()
		if slices.Contains(dateTypes, nameOf(inner.GetTypeName().GetNames()).Name) {
			return // noted by itself
		}
		if !slices.Contains(keepers, nameOf(inner.GetTypeName().GetNames()).Name) {
			c.computed = true // '"\u006eow"'::jsonb is cast as now is
		}
		arg = inner.GetArg()
	}
	switch {
	case arg.GetAConst() != nil, arg.GetParamRef() != nil:
	case arg.GetColumnRef() != nil:
		fields := arg.GetColumnRef().GetFields()
		if s := fields[len(fields)-1].GetString_(); s != nil {
			c.columns = append(c.columns, s.GetSval())
		}
	default:
		c.computed = true
	}
}

// needs reports whether a cast here cannot be judged by a column's type alone.
func (c *castDates) needs() bool {
	return c.computed || slices.ContainsFunc(c.columns, func(n string) bool {
		return n == "key" || n == "value" || slices.Contains(c.labels, n)
	})
}

// missed compares with what sqlinfo says of a query that it would keep.
func (c *castDates) missed(got *sqlinfo.Info) string {
	if c.made {
		return "a text that is made and cast to a date"
	}
	open := slices.ContainsFunc(got.DateCasts, func(d sqlinfo.DateCast) bool { return d.Column == "" && d.Type == "" })
	for _, n := range c.columns {
		if open {
			break
		}
		if !slices.ContainsFunc(got.DateCasts, func(d sqlinfo.DateCast) bool { return d.Column == n && d.Type == "" }) {
			return fmt.Sprintf("the column %s that is cast to a date", n)
		}
		if c.queries > 1 && slices.Contains(c.madeAs, n) {
			return fmt.Sprintf("%s, a text that is made and cast to a date", n)
		}
	}
	return ""
}
