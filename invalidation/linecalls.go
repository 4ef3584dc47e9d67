package invalidation

import (
	"context"
	"fmt"
	"strconv"
)

// ask asks the direct question and leaves the answers to it and to who answers for heard. answered is false, without an error, where the line
// turns out to be dead, and is not to be used then: that says nothing about Redis.
func (l *line) ask(ctx context.Context, v *Versions, cells []*Cell) (answered bool, err error) {
	b := append(strconv.AppendInt(append(l.begin(), '*'), int64(2+len(directFields)+len(cells)), 10), crlf...)
	b = appendBulk(appendBulk(b, "hmget"), v.key)
	for _, f := range directFields {
		b = appendBulk(b, f)
	}
	for _, c := range cells {
		b = appendBulk(b, c.field)
	}
	return l.finish(ctx, v, b)
}

// begin begins a question about the hash, which is asked together with the one for who answers.
//
// On a line that leads to one server for certain the two need no transaction, if the hash is asked for first: what answers
// then with the identity of a master was that master all the while, since who is made a master takes an identity that
// never was. An answer that is not a transaction's is easily taken for another one, so lines.get has looked whether
// something is there already.
func (l *line) begin() []byte {
	if l.direct {
		return l.sent[:0]
	}
	return append(l.sent[:0], "*1\r\n$5\r\nmulti\r\n"...)
}

// finish sends what is in b, from begin on.
func (l *line) finish(ctx context.Context, v *Versions, b []byte) (answered bool, err error) {
	b = append(b, "*2\r\n$4\r\ninfo\r\n$11\r\nreplication\r\n"...)
	answers, before := 2, 0 // how many stand before what was asked
	if !l.direct {
		b = append(b, "*1\r\n$4\r\nexec\r\n"...)
		answers, before = 4, 3
	}
	l.sent = b
	err = l.write(ctx)
	if err == nil {
		err = l.receive(answers)
	}
	if err != nil {
		return false, v.lines.drop(l, err)
	}
	for range before {
		l.heard.skip()
	}
	return true, nil
}

// both reads the beginning of the two answers that finish has left, which a transaction has in one. ok is false where the server refuses.
func (r *respReader) both(direct bool) (ok bool) {
	if direct {
		return true
	}
	n, ok := r.array()
	return ok && n == 2
}

// writeCall writes a call of the script.
func (l *line) writeCall(ctx context.Context, v *Versions, args []any) error {
	b := append(strconv.AppendInt(append(l.sent[:0], '*'), int64(4+len(args)), 10), crlf...)
	b = appendBulk(appendBulk(appendBulk(appendBulk(b, "evalsha"), script.Hash()), "1"), v.key)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			b = appendBulk(b, a)
		case int64:
			b = appendBulk(b, strconv.FormatInt(a, 10))
		case uint64:
			b = appendBulk(b, strconv.FormatUint(a, 10))
		default:
			return fmt.Errorf("mlcache: invalidation: %T cannot be sent", a)
		}
	}
	l.sent = b
	return l.write(ctx)
}

// answerTo reads the answer to a call of the script and gives the line back. answered is false where the call must be made again
// in another way: the line is dead, or Redis has refused, because it lost the script for instance or is no master any more.
func (v *Versions) answerTo(l *line, op string) (r reply, answered bool, err error) {
	if err := l.receive(1); err != nil {
		return r, false, v.lines.drop(l, err)
	}
	n, ok := l.heard.array()
	if !ok || n > len(l.heard) {
		return r, false, v.lines.drop(l, errReply)
	}
	list := make([]any, n)
	for i := range list {
		text, ok := l.heard.text()
		if !ok {
			return r, false, v.lines.drop(l, errReply)
		}
		list[i] = string(text)
	}
	v.lines.put(l)
	r, err = parseReply(op, list)
	return r, true, err
}

func appendBulk(b []byte, s string) []byte {
	b = strconv.AppendInt(append(b, '$'), int64(len(s)), 10)
	b = append(append(b, crlf...), s...)
	return append(b, crlf...)
}
