package catalog

import (
	"strconv"
	"strings"

	"github.com/mlcache/mlcache/sqlinfo"
)

// op is a set of the ways to change a table.
type op uint8

const (
	opInsert op = 1 << iota
	opUpdate
	opDelete
	opTruncate
	opAll = opInsert | opUpdate | opDelete | opTruncate
)

// opsIn gives the ways in which a text can change the tables that it names. A
// table cannot be updated by a text that does not hold the word UPDATE, whatever
// else stands there; which word belongs to which table is not looked at. A text
// with none of the words, or with a body in quotes, may do anything.
func opsIn(text string) op {
	lex := sqlinfo.NewLexer(text)
	var ops op
	do := false
	for {
		t := lex.Next()
		word := text[t.Start:t.End]
		switch t.Kind {
		case sqlinfo.TokenEOF:
			if ops == 0 {
				return opAll
			}
			return ops
		case sqlinfo.TokenError, sqlinfo.TokenJunk:
			return opAll
		case sqlinfo.TokenIdent:
			if do && strings.EqualFold(word, "language") {
				return opAll
			}
			ops |= opOf(word)
		case sqlinfo.TokenString, sqlinfo.TokenEscapeString, sqlinfo.TokenUnicodeString,
			sqlinfo.TokenDollarString, sqlinfo.TokenNational:
			if do {
				return opAll
			}
		}
		do = strings.EqualFold(word, "do")
	}
}

func opOf(word string) op {
	switch len(word) {
	case len("copy"):
		if strings.EqualFold(word, "copy") {
			return opInsert
		}
	case len("merge"):
		if strings.EqualFold(word, "merge") {
			return opInsert | opUpdate | opDelete
		}
	case len("insert"), len("refresh"):
		switch {
		case strings.EqualFold(word, "insert"):
			return opInsert
		case strings.EqualFold(word, "update"):
			return opUpdate
		case strings.EqualFold(word, "delete"):
			return opDelete
		case strings.EqualFold(word, "refresh"):
			return opInsert // of a materialized view, which nothing refers to
		}
	case len("truncate"):
		if strings.EqualFold(word, "truncate") {
			return opTruncate
		}
	}
	return 0
}

// triggerOps reads pg_trigger.tgtype, whose bits 2 to 5 are INSERT, DELETE,
// UPDATE and TRUNCATE (pg_trigger.h).
func triggerOps(tgtype string) op {
	n, err := strconv.Atoi(tgtype)
	if err != nil {
		return opAll
	}
	var ops op
	for bit, o := range map[int]op{1 << 2: opInsert, 1 << 3: opDelete, 1 << 4: opUpdate, 1 << 5: opTruncate} {
		if n&bit != 0 {
			ops |= o
		}
	}
	return ops
}
