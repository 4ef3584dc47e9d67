package invalidation

import (
	"strconv"
	"strings"
)

// message is what a release publishes: the scopes that changed and their state as of seq.
type message struct {
	birth    string
	epoch    uint64
	previous uint64 // seq of the message published before this one
	seq      uint64
	states   []change
	partial  bool   // the scopes did not fit: ask Redis
	left     uint64 // so many
}

type change struct {
	scope  string
	nonce  uint64
	fenced bool // by another writer
}

const maxMessage = 16 << 10

// parseMessage reads "1 birth epoch previous seq count body", where body is count times
// nonce, 'o' (open) or 'f' (fenced), length, ':' and scope. Anything else is not ok.
func parseMessage(s string) (m message, ok bool) {
	if len(s) > maxMessage {
		return m, false
	}
	f := strings.SplitN(s, " ", 7)
	if len(f) != 7 || f[0] != "1" || len(f[1]) != 16 {
		return m, false
	}
	m.birth = f[1]
	var err error
	if m.epoch, err = parseNonce(f[2]); err != nil {
		return m, false
	}
	if m.previous, err = strconv.ParseUint(f[3], 10, 53); err != nil {
		return m, false
	}
	if m.seq, err = strconv.ParseUint(f[4], 10, 53); err != nil {
		return m, false
	}
	count, err := strconv.ParseUint(f[5], 10, 31)
	if err != nil {
		return m, false
	}
	body := f[6]
	if body == "" {
		m.partial, m.left = count > 0, count
		return m, true
	}
	for body != "" {
		var c change
		if len(body) < 17 {
			return m, false
		}
		if c.nonce, err = parseNonce(body[:16]); err != nil {
			return m, false
		}
		switch body[16] {
		case 'o':
		case 'f':
			c.fenced = true
		default:
			return m, false
		}
		size, rest, found := strings.Cut(body[17:], ":")
		if !found {
			return m, false
		}
		n, err := strconv.ParseUint(size, 10, 31)
		if err != nil || n > uint64(len(rest)) {
			return m, false
		}
		c.scope, body = rest[:n], rest[n:]
		m.states = append(m.states, c)
	}
	return m, uint64(len(m.states)) == count
}
