package catalog

import (
	"strings"
	"unicode/utf8"
)

// splitPath reads a list of schemas as pg_proc.proconfig holds it, by the rules of
// the server's SplitIdentifierString: names between commas, in double quotes as they
// stand, without quotes folded to lower case, each cut at 63 bytes. It returns false
// for what the server would refuse. "$user" and pg_temp are names that no schema
// has.
func splitPath(s string) ([]string, bool) {
	path := []string{}
	rest := strings.TrimLeft(s, pathSpace)
	if rest == "" {
		return path, true
	}
	for {
		var name string
		if strings.HasPrefix(rest, `"`) {
			var ok bool
			if name, rest, ok = quotedName(rest); !ok {
				return nil, false
			}
		} else {
			end := strings.IndexAny(rest, ","+pathSpace)
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, false
			}
			name, rest = foldName(rest[:end]), rest[end:]
		}
		if name = cutName(name); name != "" {
			path = append(path, name) // "" is a schema that does not exist
		}
		rest = strings.TrimLeft(rest, pathSpace)
		if rest == "" {
			return path, true
		}
		if rest[0] != ',' {
			return nil, false
		}
		rest = strings.TrimLeft(rest[1:], pathSpace)
	}
}

const pathSpace = " \t\n\r\f\v"

// quotedName takes a name in double quotes off the front of s.
func quotedName(s string) (name, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '"' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) || s[i+1] != '"' {
			return b.String(), s[i+1:], true
		}
		b.WriteByte('"')
		i++
	}
	return "", "", false
}

// foldName folds ASCII letters only, as a UTF-8 database does.
func foldName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// cutName cuts a name at 63 bytes, not within a character.
func cutName(s string) string {
	const most = 63
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
