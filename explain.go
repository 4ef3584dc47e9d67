package mlcache

import (
	"context"
	"strings"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Explanation says what mlcache makes of a statement.
type Explanation struct {
	// Kind is "read", "write", "session", "tx", "other" or "unknown".
	Kind string `json:"kind"`
	// Reads and Writes are the tables that the answer depends on and those that
	// the statement may change, as "schema.table".
	Reads  []string `json:"reads"`
	Writes []string `json:"writes"`
	// WritesAll: the statement may change any table.
	WritesAll bool `json:"writes_all,omitempty"`
	// Funcs are the functions that the text calls.
	Funcs []string `json:"funcs"`
	// Cacheable says whether the answer may be kept.
	Cacheable bool `json:"cacheable"`
	// Reason says in one word why not; it is empty if Cacheable.
	Reason Reason `json:"reason"`
	// Detail names what led to Reason: a function, a relation, a keyword.
	Detail string `json:"detail,omitempty"`
	// Advice says in one line what would make it cacheable; it is empty if it is.
	Advice string `json:"advice,omitempty"`
	// Via says for a table that does not stand in the text how it was found:
	// "public.orders" -> "view public.open_orders".
	Via map[string]string `json:"via,omitempty"`
}

// Explain says what mlcache makes of a statement in a fresh session: which tables
// it reads and writes and how they were found, and whether its answer may be kept
// or why not. The statement is not run. The only error is the context's.
func (h *Handle) Explain(ctx context.Context, sql string) (Explanation, error) {
	e := h.connector.current()
	st := e.schema.get(ctx)
	if err := ctx.Err(); err != nil {
		return Explanation{}, err
	}
	info := sqlinfo.Parse(sql)
	if st == nil || st.snapshot == nil {
		x := explain(info, catalog.NoCatalog(info))
		if st == nil && x.Cacheable {
			x.Cacheable, x.Reason = false, ReasonNoCatalog
		}
		return x.advised(), nil
	}
	closure := st.snapshot.ResolveText(sql, info, st.base.catalogSession())
	x := explain(info, closure)
	p := e.newPlan(sql, nil, st, st.base)
	switch {
	case !x.Cacheable:
	case p.reason != "":
		x.Cacheable, x.Reason = false, p.reason
	case e.steering(p).off:
		x.Cacheable, x.Reason = false, ReasonRule
	}
	return x.advised(), nil
}

// ExplainText is Explain by the text alone, without a database: names stay as
// they are written.
func ExplainText(sql string) Explanation {
	info := sqlinfo.Parse(sql)
	x := Explanation{
		Kind:      info.Kind.String(),
		Reads:     nameStrings(info.Reads),
		Writes:    nameStrings(info.Writes),
		WritesAll: info.WritesAll,
		Funcs:     nameStrings(info.Funcs),
		Reason:    info.Refusal,
		Detail:    info.Detail,
	}
	x.Cacheable = x.Reason == "" && info.Kind == sqlinfo.Read
	return x.advised()
}

func (x Explanation) advised() Explanation {
	if !x.Cacheable {
		x.Advice = ReasonAdvice(x.Reason)
	}
	return x
}

func explain(info *sqlinfo.Info, c catalog.Closure) Explanation {
	x := Explanation{
		Kind:      info.Kind.String(),
		Reads:     []string{},
		Writes:    []string{},
		WritesAll: c.WritesAll,
		Funcs:     nameStrings(info.Funcs),
		Cacheable: c.Refusal == "" && info.Kind == sqlinfo.Read,
		Reason:    c.Refusal,
		Detail:    c.Detail,
	}
	add := func(list *[]string, deps []catalog.Dep) {
		for _, d := range deps {
			*list = append(*list, d.Scope)
			if len(d.Via) > 0 {
				if x.Via == nil {
					x.Via = make(map[string]string)
				}
				x.Via[d.Scope] = strings.Join(d.Via, ", ")
			}
		}
	}
	add(&x.Reads, c.Reads)
	add(&x.Writes, c.Writes)
	return x
}

func nameStrings(names []sqlinfo.Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.String()
	}
	return out
}
