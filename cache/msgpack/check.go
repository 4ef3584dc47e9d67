package msgpack

import "errors"

// maxDepth bounds how deep values are nested: the library decodes by recursion.
const maxDepth = 512

var errMalformed = errors.New("mlcache: msgpack: no whole value, or nested too deep")

// check tells whether b is exactly one value (github.com/msgpack/msgpack,
// spec.md). The library takes memory for as many elements as an array says that it
// has before it looks for them; behind this check they are there.
func check(b []byte) error {
	var levels [maxDepth]int // values still to come, by level
	depth := 0
	levels[0] = 1
	for {
		for levels[depth] == 0 {
			if depth == 0 {
				if len(b) > 0 {
					return errMalformed
				}
				return nil
			}
			depth--
		}
		levels[depth]--
		if len(b) == 0 {
			return errMalformed
		}
		size, values, ok := head(b)
		if !ok || size > len(b) {
			return errMalformed
		}
		b = b[size:]
		if values == 0 {
			continue
		}
		if depth++; depth == maxDepth || values > len(b) {
			return errMalformed
		}
		levels[depth] = values
	}
}

// head reads one value's head: how many bytes it takes, with its content unless that
// is values, and of how many values it consists.
func head(b []byte) (size, values int, ok bool) {
	c := b[0]
	switch {
	case c < 0x80, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3: // small numbers, nil, false, true
		return 1, 0, true
	case c < 0x90: // map
		return 1, 2 * int(c&0x0f), true
	case c < 0xa0: // array
		return 1, int(c & 0x0f), true
	case c < 0xc0: // string
		return 1 + int(c&0x1f), 0, true
	}
	if c >= 0xca && c <= 0xd3 { // floats and integers
		return 1 + [...]int{4, 8, 1, 2, 4, 8, 1, 2, 4, 8}[c-0xca], 0, true
	}
	if c >= 0xd4 && c <= 0xd8 { // extension types of fixed length
		return 2 + 1<<(c-0xd4), 0, true
	}
	width := 0
	switch c {
	case 0xc4, 0xc7, 0xd9:
		width = 1
	case 0xc5, 0xc8, 0xda, 0xdc, 0xde:
		width = 2
	case 0xc6, 0xc9, 0xdb, 0xdd, 0xdf:
		width = 4
	}
	if width == 0 || len(b) < 1+width {
		return 0, 0, false
	}
	n := 0
	for _, d := range b[1 : 1+width] {
		n = n<<8 | int(d)
	}
	switch {
	case c >= 0xdc && c <= 0xdd: // array
		return 1 + width, n, true
	case c >= 0xde: // map
		return 1 + width, 2 * n, true
	case c >= 0xc7 && c <= 0xc9: // extension types
		return 2 + width + n, 0, true
	default: // bytes and strings
		return 1 + width + n, 0, true
	}
}
