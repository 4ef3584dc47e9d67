package invalidation

import (
	"bytes"
	"strconv"
)

// respReader reads an answer of Redis in its wire form, RESP2 or RESP3, from where it stands on. It trusts nothing: where
// the bytes are not what is asked for it says so and stays where it is.
type respReader []byte

// refused reports whether an error comes next.
func (r *respReader) refused() bool { return len(*r) > 0 && ((*r)[0] == '-' || (*r)[0] == '!') }

// line returns what comes next up to the end of the line, with the kind and without the line's end.
func (r *respReader) line() []byte {
	line, _, found := bytes.Cut(*r, crlf)
	if !found {
		return nil
	}
	return line
}

// header reads a line of this kind that holds a number.
func (r *respReader) header(kind byte) (n int, ok bool) {
	line := r.line()
	if len(line) < 2 || line[0] != kind {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[1:]))
	if err != nil {
		return 0, false
	}
	*r = (*r)[len(line)+len(crlf):]
	return n, true
}

// array reads the beginning of an array and returns how many answers follow.
func (r *respReader) array() (n int, ok bool) {
	n, ok = r.header('*')
	return n, ok && n >= 0
}

// text reads a string of any kind; nil for null.
func (r *respReader) text() (text []byte, ok bool) {
	start := *r
	if bytes.HasPrefix(start, []byte("_\r\n")) {
		*r = start[3:]
		return nil, true
	}
	kind := byte('$')
	if len(start) > 0 && start[0] == '=' {
		kind = '='
	}
	n, ok := r.header(kind)
	if ok && n == -1 && kind == '$' {
		return nil, true
	}
	rest := *r
	if !ok || n < 0 || n > len(rest)-len(crlf) || !bytes.HasPrefix(rest[n:], crlf) {
		*r = start
		return nil, false
	}
	*r = rest[n+len(crlf):]
	if kind == '=' { // a verbatim string has its format before it: "txt:"
		if n < 4 {
			*r = start
			return nil, false
		}
		return rest[4:n:n], true
	}
	return rest[:n:n], true
}

// skip steps over the next answer, whatever it is, if all of it is there. What cannot be an answer is never all there.
func (r *respReader) skip() bool {
	rest := *r
	for left := 1; left > 0; left-- {
		line := rest.line()
		if len(line) == 0 {
			return false
		}
		size := 0
		switch line[0] {
		case '$', '=', '!', '*', '~', '>', '%', '|':
			n, err := strconv.Atoi(string(line[1:]))
			if err != nil || n > maxAnswer {
				return false
			}
			size = n
		}
		rest = rest[len(line)+len(crlf):]
		if size < 0 {
			continue // null
		}
		switch line[0] {
		case '$', '=', '!':
			if len(rest) < size+len(crlf) {
				return false
			}
			rest = rest[size+len(crlf):]
		case '*', '~', '>':
			left += size
		case '%':
			left += 2 * size
		case '|': // attributes come before an answer
			left += 2*size + 1
		}
	}
	*r = rest
	return true
}

var crlf = []byte("\r\n")
