package invalidation

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var errReply = errors.New("mlcache: invalidation: Redis sent an answer that is not of this protocol")

// header is the part that every answer of the script carries.
type header struct {
	birth      string
	epoch      uint64
	quarantine time.Duration // what is left of it
	seq        uint64
	published  uint64
	shut       time.Duration // how much longer everything is fenced

	heard uint64 // Versions.heard when the question was asked
}

// state is a scope's version as of the header's seq.
type state struct {
	scope  string // only in answers to a poll
	nonce  uint64
	fenced time.Duration
}

type reply struct {
	header
	states   []state
	complete bool          // poll: states holds every scope that changed
	proven   time.Duration // poll: how long ago Redis has taken a write
	orphans  []orphan
}

// parseReply reads the script's answer to op. It trusts nothing: what Redis holds may have been written by anybody.
func parseReply(op string, raw any) (reply, error) {
	var r reply
	list, ok := raw.([]any)
	if !ok || len(list) == 0 {
		return r, errReply
	}
	first, ok := list[0].(string)
	if !ok {
		return r, errReply
	}
	var err error
	if r.header, err = parseHeader(first); err != nil {
		return r, err
	}
	list = list[1:]
	step := 1
	if op == "poll" {
		if len(list) == 0 {
			return r, errReply
		}
		said, _ := list[0].(string)
		mark, rest, _ := strings.Cut(said, " ")
		age, count, _ := strings.Cut(rest, " ")
		r.complete = mark == "+"
		if r.proven, err = parseMillis(age); err != nil {
			return r, err
		}
		list, step = list[1:], 2
		if list, err = r.readOrphans(count, list); err != nil {
			return r, err
		}
	}
	if len(list)%step != 0 {
		return r, errReply
	}
	r.states = make([]state, 0, len(list)/step)
	for ; len(list) > 0; list = list[step:] {
		var s state
		if step == 2 {
			if s.scope, ok = list[0].(string); !ok {
				return r, errReply
			}
		}
		text, ok := list[step-1].(string)
		if !ok {
			return r, errReply
		}
		nonce, fenced, ok := strings.Cut(text, " ")
		if !ok {
			return r, errReply
		}
		if s.nonce, err = parseNonce(nonce); err != nil {
			return r, err
		}
		if s.fenced, err = parseMillis(fenced); err != nil {
			return r, err
		}
		r.states = append(r.states, s)
	}
	return r, nil
}

// readOrphans reads as many as count says, none if it is empty, and returns what follows them.
func (r *reply) readOrphans(count string, list []any) ([]any, error) {
	if count == "" {
		return list, nil
	}
	n, err := strconv.ParseUint(count, 10, 31)
	if err != nil || n > uint64(len(list)/3) {
		return nil, errReply
	}
	for ; n > 0; n, list = n-1, list[3:] {
		id, ok1 := list[0].(string)
		holders, ok2 := list[1].(string)
		field, ok3 := list[2].(string)
		o, ok := parseOrphan(id, holders, field)
		if !ok || !ok1 || !ok2 || !ok3 {
			return nil, errReply
		}
		r.orphans = append(r.orphans, o)
	}
	return list, nil
}

func parseHeader(text string) (header, error) {
	var h header
	f := strings.Split(text, " ")
	if len(f) != 6 || len(f[0]) != 16 {
		return h, errReply
	}
	var errs [5]error
	h.birth = f[0]
	h.epoch, errs[0] = parseNonce(f[1])
	h.quarantine, errs[1] = parseMillis(f[2])
	h.seq, errs[2] = strconv.ParseUint(f[3], 10, 53)
	h.published, errs[3] = strconv.ParseUint(f[4], 10, 53)
	h.shut, errs[4] = parseMillis(f[5])
	for _, err := range errs {
		if err != nil {
			return header{}, errReply
		}
	}
	return h, nil
}

// parseNonce reads 16 hexadecimal digits. 0 is not a nonce: it stands for "unknown" everywhere.
func parseNonce(s string) (uint64, error) {
	if len(s) != 16 {
		return 0, errReply
	}
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || n == 0 {
		return 0, errReply
	}
	return n, nil
}

// parseMillis reads a duration in whole milliseconds of at most about a year.
func parseMillis(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 35)
	if err != nil {
		return 0, errReply
	}
	return time.Duration(n) * time.Millisecond, nil
}
