package invalidation

import (
	"bytes"
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// directFields are what every direct question asks for, before the scopes. See versions.lua.
var directFields = []string{"b", "e", "i", "q", "p", "w"}

// directPause is how long the script alone is asked after Redis has refused the direct question, for want of a right for instance.
const directPause = time.Minute

// ask is the script's read, in one round trip with the commands that extra adds, nil for none.
//
// Where nothing out of the ordinary is going on, reading the hash says the same as the script, at less than half of the
// cost. It says so only in one transaction with the server's role and identity: the hash of a replica, or of a master that
// was a replica a moment ago, may lack changes. The transaction also keeps a proxy that spreads reads over replicas from
// having the two answered by different servers; for where there is none see line.begin.
func (v *Versions) ask(ctx context.Context, extra func(redis.Pipeliner), cells []*Cell) (reply, error) {
	if r, ok, err := v.askDirectly(ctx, extra, cells); ok || err != nil {
		return r, err
	}
	args := make([]any, len(cells))
	for i, c := range cells {
		args[i] = c.Scope()
	}
	return v.callWith(ctx, extra, "read", args...)
}

// askDirectly asks without the script. ok is false, and the script must be asked, where the answer is not the ordinary one: a scope has
// no version or is fenced, everything is, another server answers or another birth, or Redis refuses.
func (v *Versions) askDirectly(ctx context.Context, extra func(redis.Pipeliner), cells []*Cell) (r reply, ok bool, err error) {
	// In a cluster INFO is not bound to the node that holds the hash.
	if v.single == nil || time.Now().UnixNano() < v.directAgain.Load() {
		return r, false, nil
	}
	v.mu.Lock()
	birth, lost, heard := v.birth, v.lost, v.heard
	v.mu.Unlock()
	if birth == "" || lost {
		return r, false, nil
	}
	v.counters.calls.Add(1)
	if extra == nil {
		if l := v.lines.get(v, false); l != nil {
			answered, err := l.ask(ctx, v, cells)
			switch {
			case err != nil:
				v.counters.callErrors.Add(1)
				return r, false, err
			case answered:
				var trusted bool
				r, l.values, ok, trusted = v.readDirectly(l.heard, l.direct, l.values[:0], birth, cells)
				if trusted {
					v.lines.put(l)
				} else {
					_ = v.lines.drop(l, errReply)
				}
				r.heard = heard
				return r, ok, nil
			}
		}
	}
	answer, err := v.askGoRedis(ctx, extra, cells)
	if err != nil {
		v.counters.callErrors.Add(1)
		return r, false, err
	}
	v.lines.reached()
	r, _, ok, _ = v.readDirectly(answer, false, nil, birth, cells)
	r.heard = heard
	return r, ok, nil
}

// askGoRedis asks the direct question along with the commands that extra adds.
func (v *Versions) askGoRedis(ctx context.Context, extra func(redis.Pipeliner), cells []*Cell) (respReader, error) {
	fields := make([]any, 0, 2+len(directFields)+len(cells))
	fields = append(fields, "hmget", v.key)
	for _, f := range directFields {
		fields = append(fields, f)
	}
	for _, c := range cells {
		fields = append(fields, c.field)
	}
	exec := redis.NewRawCmd(ctx, "exec")
	// Not TxPipeline, which leaves answers unread when MULTI is refused.
	pipe := v.single.Pipeline()
	_ = pipe.BatchProcess(ctx, // it only collects
		redis.NewRawCmd(ctx, "multi"), redis.NewRawCmd(ctx, fields...), redis.NewRawCmd(ctx, "info", "replication"), exec)
	if extra != nil {
		extra(pipe)
	}
	// The error may be that of one of the caller's commands: only our own count.
	_, _ = pipe.Exec(ctx)
	return exec.Val(), exec.Err()
}

// readDirectly reads the answer to EXEC, or, if direct is set, the two answers that are in it otherwise. values is room for its parts. trusted is false where the
// server refuses or is no master: another connection may reach another one.
func (v *Versions) readDirectly(read respReader, direct bool, values [][]byte, birth string, cells []*Cell) (r reply, _ [][]byte, ok, trusted bool) {
	n := 0
	if ok = read.both(direct); ok {
		n, ok = read.array()
	}
	if !ok && read.refused() {
		v.directAgain.Store(time.Now().Add(directPause).UnixNano())
	}
	if !ok || n != len(directFields)+len(cells) {
		return r, values, false, false
	}
	for range n {
		value, ok := read.text()
		if !ok {
			return r, values, false, false
		}
		values = append(values, value)
	}
	server, ok := serverIdentity(&read)
	if !ok {
		return r, values, false, false
	}
	if r, ok = parseHash(values, birth, server); ok {
		v.verify(r.epoch, server)
	}
	return r, values, ok, true
}

// serverIdentity reads the answer to INFO replication as versions.lua does. ok is false for a replica, and where there is no
// answer. The identity is a part of the answer.
func serverIdentity(answer *respReader) (identity []byte, ok bool) {
	if answer.refused() {
		return noIdentity, bytes.Contains(answer.line(), []byte("section"))
	}
	info, ok := answer.text()
	if !ok || info == nil {
		return nil, false
	}
	identity = noIdentity
	for role, named := false, false; len(info) > 0 && !(role && named); { // both are near the beginning
		var line []byte
		line, info, _ = bytes.Cut(info, newline)
		if is, found := bytes.CutPrefix(line, roleName); found {
			if bytes.HasPrefix(is, replicaRole) {
				return nil, false
			}
			role = true
		}
		if name, found := bytes.CutPrefix(line, identityName); found {
			end := 0
			for end < len(name) && isAlphanumeric(name[end]) {
				end++
			}
			if end == 0 {
				return nil, false
			}
			identity, named = name[:end], true
		}
	}
	return identity, true
}

var (
	newline      = []byte("\n")
	roleName     = []byte("role:")
	replicaRole  = []byte("slave")
	identityName = []byte("master_replid:")
)

// noIdentity is what versions.lua writes where the server does not tell.
var noIdentity = []byte("-")

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// parseHash reads the values of directFields and of scopes as the script's answer would tell them. ok is false unless
// they are of this birth, written by this server, and nothing is fenced or missing.
func parseHash(values [][]byte, birth string, server []byte) (r reply, ok bool) {
	n := len(directFields)
	if len(values) < n {
		return r, false
	}
	// What is not there is empty.
	f := values[:n]
	if string(f[0]) != birth || !bytes.Equal(f[2], server) || !unfenced(f[5]) {
		return r, false
	}
	var err error
	r.birth = birth
	if r.epoch, err = parseNonce(string(f[1])); err != nil {
		return r, false
	}
	if r.seq, err = strconv.ParseUint(string(f[3]), 10, 53); err != nil {
		return r, false
	}
	if len(f[4]) > 0 {
		if r.published, err = strconv.ParseUint(string(f[4]), 10, 53); err != nil {
			return r, false
		}
	}
	r.states = make([]state, len(values)-n)
	for i, s := range values[n:] {
		if len(s) < 16 || !unfenced(s[16:]) {
			return r, false
		}
		if r.states[i].nonce, err = parseNonce(string(s[:16])); err != nil {
			return r, false
		}
	}
	return r, true
}

// unfenced reports whether a list of fences holds none but those that were released before they came. Whether a
// lease has ended only Redis can say.
func unfenced(list []byte) bool {
	for len(list) > 0 {
		rest, found := bytes.CutPrefix(list, releasedEarly)
		if !found {
			return false
		}
		next := bytes.IndexByte(rest, ';')
		if next < 0 {
			return true
		}
		list = rest[next:]
	}
	return true
}

var releasedEarly = []byte(";" + overtaking)
