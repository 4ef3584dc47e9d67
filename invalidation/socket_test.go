package invalidation

import (
	"context"
	"net"
	"testing"
)

type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error) { return len(b), nil }

func TestMarkIsSeenOnlyWhenAllWasWritten(t *testing.T) {
	t.Parallel()
	var w socketWrites
	conn, err := dialHook{&w}.DialHook(func(context.Context, string, string) (net.Conn, error) { return sink{}, nil })(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	seen := func(done <-chan struct{}) bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	mark, written := w.expect()
	for _, part := range []string{"", "\r\n", mark, mark + "\r", mark[1:] + "\r\n", mark + "\r\n$1\r\nx\r\n"} {
		conn.Write([]byte(part))
		if seen(written) {
			t.Fatalf("seen after %q", part)
		}
	}
	conn.Write([]byte("$32\r\n" + mark + "\r\n"))
	if !seen(written) {
		t.Fatal("not seen")
	}
	w.forget(mark)
	if w.count.Load() != 0 {
		t.Error("a mark is left")
	}
	mark, written = w.expect()
	w.forget(mark)
	conn.Write([]byte(mark + "\r\n"))
	if seen(written) || w.count.Load() != 0 {
		t.Error("a forgotten mark was seen")
	}
}
