package catalog

import (
	"sort"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// Resolve tells what a statement reads and writes in a session. It never fails:
// where something is not known, the closure says so. A nil info is a statement
// that was not understood.
//
// A name that no relation of the snapshot bears is taken for a column. That is
// sound as long as the snapshot is true: a relation made later is DDL, which
// ends the snapshot.
func (s *Snapshot) Resolve(info *sqlinfo.Info, sess Session) Closure {
	return s.ResolveText("", info, sess)
}

// ResolveText is Resolve for a caller who has the text that info was made from.
// The text tells whether tables are inserted into, updated, deleted from or
// emptied, and so which triggers fire and which foreign keys act: an INSERT does
// not reach what hangs on the table by ON DELETE CASCADE. An empty text means
// that all of it may happen.
func (s *Snapshot) ResolveText(text string, info *sqlinfo.Info, sess Session) Closure {
	if info == nil {
		return Closure{WritesAll: true, Refusal: sqlinfo.ReasonSyntax}
	}
	if sess.BackslashEscapes && strings.IndexByte(text, '\\') >= 0 {
		text = "" // here it would be lexed otherwise
	}
	ops := opAll
	if text != "" && len(info.Writes)+len(info.Planned) > 0 {
		ops = opsIn(text)
	}
	top := newPath(sess)
	w := s.walk(text, info, ops, top)
	if (w.session || w.moved) && !w.writesAll {
		// What is called may set the search path for what follows it.
		w = s.walk(text, info, ops, top.unknown())
	}
	return w.closure(info)
}

// Login tells what a connection to the database writes by being opened: what event
// triggers do that it fires (PostgreSQL 17). In most databases that is nothing.
func (s *Snapshot) Login() Closure {
	if len(s.logins) == 0 {
		return Closure{}
	}
	w := &walk{s: s, top: newPath(Session{}).elsewhere()}
	f := frame{path: w.top}
	for _, fn := range s.implicit {
		w.callFor(ReasonUserCast, fn, f)
	}
	for _, fn := range s.logins {
		w.call(fn, f)
	}
	w.drain()
	w.unseenCasts()
	return w.closure(&sqlinfo.Info{Kind: sqlinfo.Write})
}

func (s *Snapshot) walk(text string, info *sqlinfo.Info, ops op, top *path) *walk {
	w := &walk{s: s, top: top, statementText: text}
	parts := info.Parts
	if parts == nil {
		parts = []*sqlinfo.Info{info}
	}
	for _, p := range parts {
		w.statement(p, ops)
		if p.Kind == sqlinfo.Session {
			w.top = w.top.unknown()
		}
	}
	return w
}

// closure draws up what the walk has found.
func (w *walk) closure(info *sqlinfo.Info) Closure {
	c := Closure{DDL: w.ddl, Session: w.session || w.moved, OnlySettings: w.moved && !w.session, Backslash: w.backslash, RLS: w.rls, WritesAll: w.writesAll, Refusal: w.refusal, Detail: w.detail}
	if len(w.readScopes) > maxDeps {
		c.Refusal, c.Detail = ReasonClosure, ""
	} else {
		c.Reads = deps(w.readScopes)
	}
	if len(w.writeScopes) > maxDeps {
		c.WritesAll = true
	}
	if !c.WritesAll {
		c.Writes = deps(w.writeScopes)
	}
	for name := range w.settings {
		c.Settings = append(c.Settings, name)
	}
	sort.Strings(c.Settings)
	switch {
	case info.Refusal != sqlinfo.ReasonNone && info.Refusal != sqlinfo.ReasonUnknownFunction:
		c.Refusal, c.Detail = info.Refusal, info.Detail
	case info.Kind != sqlinfo.Read:
		c.Refusal, c.Detail = sqlinfo.ReasonNotRead, ""
	case c.Refusal == sqlinfo.ReasonNone && (c.WritesAll || c.DDL || c.Session || len(c.Writes) > 0):
		c.Refusal, c.Detail = ReasonWritingFunction, w.allDetail
	}
	c.Firm = w.firm
	switch {
	case !Vouchable(c.Refusal):
		c.Firm = c.Refusal
	case c.Firm == sqlinfo.ReasonNone && (c.WritesAll || c.DDL || c.Session || len(c.Writes) > 0):
		c.Firm = ReasonWritingFunction // kept, it would change nothing more
	}
	if c.WritesAll && c.Detail == "" {
		c.Detail = w.allDetail
	}
	return c
}
