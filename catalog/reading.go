package catalog

import (
	"slices"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// reading is what package sqlinfo has found in a text, whatever the text is.
type reading struct {
	reads, writes []sqlinfo.Name
	planned       []sqlinfo.Name // see sqlinfo.Info
	ops           op             // what may be done to each of writes
	writesAll     bool
	ddl, session  bool
	setsConstants bool // what set_config sets is looked at elsewhere: see changesNames
	unknown       bool // the text was not understood
	exact         bool // every one of funcs is certainly a call
	variables     bool // a name may be that of a variable's type
	maintains     bool // see sqlinfo.Info
	fires         bool // see sqlinfo.Info
	late          bool // what stands behind the names may run later on
	funcs, attrs  []sqlinfo.Name
	types         []sqlinfo.Name
	dateCasts     []sqlinfo.DateCast
	times         sqlinfo.BodyTimes
	operators     []string
	refusal       sqlinfo.Reason
	detail        string
	text          string // where settings are looked for; empty for a statement
}

func readingOf(info *sqlinfo.Info) *reading {
	return &reading{
		reads: info.Reads, writes: info.Writes, planned: info.Planned, writesAll: info.WritesAll,
		ddl: info.DDL, unknown: info.Kind == sqlinfo.Unknown, exact: !info.DDL,
		maintains: info.Maintains, fires: info.Fires, variables: info.Kind == sqlinfo.Write, // it may be a DO
		late:  info.Kind == sqlinfo.Other, // DECLARE: the rows are made when they are fetched
		funcs: info.Funcs, attrs: info.Attrs, types: info.Types, operators: info.Operators, dateCasts: info.DateCasts,
		refusal: info.Refusal, detail: info.Detail, setsConstants: info.ChangedSettings != nil,
	}
}

// fillsRows says whether a function is called that puts texts into the columns of a row, whatever its type: those for JSON, and
// hstore's.
func (r *reading) fillsRows() bool {
	return slices.ContainsFunc(r.funcs, func(n sqlinfo.Name) bool { return strings.Contains(n.Name, "populate_record") })
}

func readingOfBody(b *sqlinfo.Body) *reading {
	return &reading{
		reads: b.Reads, writes: b.Writes, writesAll: b.WritesAll,
		ddl: b.DDL, session: b.Session || b.DDL, unknown: b.Unknown, maintains: b.Maintains, fires: b.Fires,
		funcs: b.Funcs, attrs: b.Attrs, types: b.Types, operators: b.Operators, dateCasts: b.DateCasts,
		times: b.Times, refusal: b.Refusal, detail: b.Detail,
	}
}

// reading reads the text once.
func (c *code) reading() *reading {
	c.once.Do(func() {
		c.parsed = readingOfBody(sqlinfo.ParseBody(c.language, c.text))
		c.parsed.text = c.text
		c.parsed.variables = c.language == "plpgsql"
		c.parsed.ops = opsIn(c.text)
	})
	return c.parsed
}

// settingsOf notes the settings that a policy asks for with current_setting. A
// name that is not a literal leaves open what the answer depends on.
func (w *walk) settingsOf(r *reading, f frame) {
	names, ok := settingNames(r.text)
	if !ok {
		w.refuse(f, ReasonPolicy, "current_setting")
		return
	}
	if w.settings == nil {
		w.settings = make(map[string]bool)
	}
	for _, n := range names {
		w.settings[n] = true
	}
}

// settingNames finds the literals that current_setting is called with, folded to
// lower case as PostgreSQL folds the names of settings; ok is false if a call has
// anything else for its first argument, or if there is no call that can be seen.
func settingNames(text string) (names []string, ok bool) {
	lex := sqlinfo.NewLexer(text)
	next := func() (sqlinfo.TokenKind, string) {
		t := lex.Next()
		return t.Kind, text[t.Start:t.End]
	}
	var before, last string
	for {
		kind, word := next()
		switch kind {
		case sqlinfo.TokenEOF:
			return names, len(names) > 0
		case sqlinfo.TokenError, sqlinfo.TokenJunk, sqlinfo.TokenUnicodeIdent:
			return nil, false
		}
		if last == "(" && strings.EqualFold(strings.Trim(before, `"`), "current_setting") {
			if kind != sqlinfo.TokenString {
				return nil, false
			}
			names = append(names, strings.ToLower(word[1:len(word)-1]))
			// The literal must be the whole argument, save for a cast.
			if kind, word = next(); kind == sqlinfo.TokenTypecast {
				next()
				_, word = next()
			}
			if word != "," && word != ")" {
				return nil, false
			}
		}
		before, last = last, word
	}
}
