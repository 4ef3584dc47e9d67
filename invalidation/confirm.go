package invalidation

import (
	"context"
	"strconv"
	"time"
)

// verified is an epoch together with the identity of the server that it was read from, a master, in one transaction, while
// nothing was fenced for everybody.
//
// Where both are found again, nothing that the direct question asks about everything has changed. A new birth, another
// server in the hash, and a fence around everything each come with a new epoch, see versions.lua; and a server that was
// something other than this master in between has another identity.
type verified struct {
	epoch    uint64
	identity string
}

// verify takes note of an answer to the direct question that had nothing out of the ordinary.
func (v *Versions) verify(epoch uint64, identity []byte) {
	if is := v.verified.Load(); is == nil || is.epoch != epoch || is.identity != string(identity) {
		v.verified.Store(&verified{epoch: epoch, identity: string(identity)})
	}
}

// confirm asks only whether everything is still as it is known, which is what a hit wants to hear, and costs Redis less than
// the direct question. false says nothing: then that must be asked.
func (v *Versions) confirm(ctx context.Context, now time.Time, cells []*Cell, nonces []uint64) (bool, error) {
	is := v.verified.Load()
	if is == nil || v.epoch.Load() != is.epoch || v.single == nil || now.UnixNano() < v.directAgain.Load() {
		return false, nil
	}
	for i, c := range cells {
		if nonces[i] == 0 || c == v.epoch && nonces[i] != is.epoch {
			return false, nil
		}
	}
	l := v.lines.get(v, false)
	if l == nil {
		return false, nil
	}
	v.counters.calls.Add(1)
	answered, err := l.confirm(ctx, v, cells)
	switch {
	case err != nil:
		v.counters.callErrors.Add(1)
		return false, err
	case !answered:
		return false, nil
	}
	same, trusted := is.confirmedBy(l.heard, l.direct, v.epoch, cells, nonces)
	if !trusted {
		_ = v.lines.drop(l, errReply)
		return false, nil
	}
	v.lines.put(l)
	return same, nil
}

// confirm asks the question of Versions.confirm as ask asks the direct one.
func (l *line) confirm(ctx context.Context, v *Versions, cells []*Cell) (answered bool, err error) {
	n := 3
	for _, c := range cells {
		if c != v.epoch {
			n++
		}
	}
	b := append(strconv.AppendInt(append(l.begin(), '*'), int64(n), 10), crlf...)
	b = appendBulk(appendBulk(appendBulk(b, "hmget"), v.key), "e")
	for _, c := range cells {
		if c != v.epoch {
			b = appendBulk(b, c.field)
		}
	}
	return l.finish(ctx, v, b)
}

// confirmedBy reads what line.finish has left. direct and trusted are as in readDirectly.
func (is *verified) confirmedBy(read respReader, direct bool, epoch *Cell, cells []*Cell, nonces []uint64) (same, trusted bool) {
	if !read.both(direct) {
		return false, false
	}
	n, ok := read.array()
	if !ok || n < 1 {
		return false, false
	}
	text, ok := read.text()
	if !ok {
		return false, false
	}
	got, err := parseNonce(string(text))
	same = err == nil && got == is.epoch
	for i, c := range cells {
		if c == epoch {
			continue
		}
		if n--; n < 1 {
			return false, false
		}
		if text, ok = read.text(); !ok {
			return false, false
		}
		same = same && hasNonce(text, nonces[i])
	}
	if n != 1 {
		return false, false
	}
	identity, ok := serverIdentity(&read)
	if !ok {
		return false, false
	}
	return same && string(identity) == is.identity, true
}

// hasNonce says whether the value of a scope is this nonce, and nobody has it fenced.
func hasNonce(value []byte, nonce uint64) bool {
	if len(value) < 16 || !unfenced(value[16:]) {
		return false
	}
	n, err := parseNonce(string(value[:16]))
	return err == nil && n == nonce
}
