package sqlinfo

import (
	"slices"
	"strings"
)

// Options are the settings that the meaning of a text depends on, and bounds.
type Options struct {
	// BackslashEscapes: the session's standard_conforming_strings is off, so that
	// a backslash in '...' escapes. Defaults to false.
	BackslashEscapes bool
	// MaxBytes is the longest text whose answer may be kept. A longer one is refused
	// and still read for what it writes (as a long INSERT), up to 16 times the length;
	// beyond, it is Unknown, with WritesAll set. Defaults to 1 MiB.
	MaxBytes int
	// MaxDepth is the deepest nesting of parentheses and brackets that is read. A
	// deeper text is Unknown, with WritesAll set. Defaults to 256.
	MaxDepth int
}

const (
	defaultMaxBytes = 1 << 20
	defaultMaxDepth = 256
)

// Parse reads a text as a session with standard_conforming_strings on does (the
// default of PostgreSQL and of pgx). It never gives nil.
func Parse(sql string) *Info { return ParseOptions(sql, Options{}) }

// ParseOptions is Parse under other settings and bounds.
func ParseOptions(sql string, o Options) *Info {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.MaxDepth <= 0 {
		o.MaxDepth = defaultMaxDepth
	}
	if len(sql)/16 > o.MaxBytes {
		return &Info{WritesAll: true, ChangesSession: true, Refusal: ReasonTooLong}
	}
	if strings.IndexByte(sql, 0) >= 0 {
		// The protocol ends a text at a NUL byte. What follows shifts the rest of the
		// message, which the server refuses unless it was made to fit.
		return &Info{WritesAll: true, ChangesSession: true, Refusal: ReasonSyntax}
	}
	s := getScanner(sql, o)
	defer s.release()
	info := s.run()
	if len(sql) > o.MaxBytes && (info.Refusal == "" || info.Refusal == ReasonUnknownFunction) {
		info.Refusal, info.Detail = ReasonTooLong, ""
	}
	return info
}

// maxParts bounds the statements of one text that are told apart.
const maxParts = 256

func (s *scanner) run() *Info {
	var hint Hint
	s.lx.OnComment = func(c string) { hint.read(c) }
	s.cur = s.lx.Next()
	s.lx.OnComment = nil
	s.next = s.lx.Next()
	var first *Info
	var parts []*Info
	count := 0
	for {
		for s.punct(s.cur, ';') {
			s.advance()
		}
		if s.cur.Kind == TokenEOF {
			break
		}
		info := s.statement()
		count++
		switch {
		case count == 1:
			first = info
		case count == 2:
			parts = append(make([]*Info, 0, 4), first, info)
		case count <= maxParts:
			parts = append(parts, info)
		}
		if s.hardStop || count > maxParts {
			break
		}
	}
	switch {
	case count == 0:
		first = &Info{Kind: Other, Refusal: ReasonEmpty}
	case count > 1:
		first = combine(parts, count)
	}
	s.trailingHint(&hint)
	first.Hint = hint
	return first
}

// combine makes one Info of several statements.
func combine(parts []*Info, count int) *Info {
	out := &Info{Statements: count, Refusal: ReasonMultiStatement, Parts: parts}
	var reads, writes, funcs, attrs, types nameSet
	rank := [...]int{Unknown: 5, Write: 4, Session: 3, Tx: 2, Other: 1, Read: 0}
	out.Kind = parts[0].Kind
	for _, p := range parts {
		if rank[p.Kind] > rank[out.Kind] {
			out.Kind = p.Kind
		}
		out.WritesAll = out.WritesAll || p.WritesAll
		out.DDL = out.DDL || p.DDL
		out.Temp = out.Temp || p.Temp
		out.Maintains = out.Maintains || p.Maintains
		out.Fires = out.Fires || p.Fires
		out.Planned = append(out.Planned, p.Planned...)
		out.ChangesSession = out.ChangesSession || p.ChangesSession
		out.Params = max(out.Params, p.Params)
		for _, l := range []struct {
			set  *nameSet
			list []Name
		}{
			{&reads, p.Reads}, {&writes, p.Writes}, {&funcs, p.Funcs},
			{&attrs, p.Attrs}, {&types, p.Types},
		} {
			for _, n := range l.list {
				if l.set.add(n) < 0 {
					out.WritesAll = true
				}
			}
		}
		if len(out.DateCasts) < maxDateCasts {
			out.DateCasts = append(out.DateCasts, p.DateCasts...)
		} else {
			out.DateCasts = []DateCast{{}}
		}
		for _, op := range p.Operators {
			if !slices.Contains(out.Operators, op) && len(out.Operators) < maxOperators {
				out.Operators = append(out.Operators, op)
			}
		}
	}
	if count > len(parts) {
		out.Kind, out.WritesAll, out.ChangesSession, out.Parts = Unknown, true, true, nil
	}
	out.Reads, out.Writes, out.Funcs = reads.list, writes.list, funcs.list
	out.Attrs, out.Types = attrs.list, types.list
	return out
}

// trailingHint reads the comments after the last token other than a semicolon.
func (s *scanner) trailingHint(hint *Hint) {
	if s.hardStop || s.lastEnd >= len(s.text) {
		return
	}
	lx := Lexer{text: s.text, pos: s.lastEnd, OnComment: func(c string) { hint.read(c) }}
	for lx.Next().Kind == TokenPunct {
	}
}
