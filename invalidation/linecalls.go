package invalidation

import (
	"context"
	"fmt"
	"strconv"
)

// ask asks the direct question and leaves the answer to EXEC for heard. answered is false, without an error, where the line
// turns out to be dead, and is not to be used then: that says nothing about Redis.
func (l *line) ask(ctx context.Context, v *Versions, cells []*Cell) (answered bool, err error) {
	b := append(l.sent[:0], "*1\r\n$5\r\nmulti\r\n*"...)
	b = append(strconv.AppendInt(b, int64(2+len(directFields)+len(cells)), 10), crlf...)
	b = appendBulk(appendBulk(b, "hmget"), v.key)
	for _, f := range directFields {
		b = appendBulk(b, f)
	}
	for _, c := range cells {
		b = appendBulk(b, c.field)
	}
	return l.exec(ctx, v, b)
}

// exec sends what is in b, a transaction with one question, together with the one for who answers.
func (l *line) exec(ctx context.Context, v *Versions, b []byte) (answered bool, err error) {
	l.sent = append(b, "*2\r\n$4\r\ninfo\r\n$11\r\nreplication\r\n*1\r\n$4\r\nexec\r\n"...)
	const answers = 4
	err = l.write(ctx)
	if err == nil {
		err = l.receive(answers)
	}
	if err != nil {
		return false, v.lines.drop(l, err)
	}
	for range answers - 1 {
		l.heard.skip()
	}
	return true, nil
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
