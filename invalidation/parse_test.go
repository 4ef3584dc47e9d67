package invalidation

import (
	"strings"
	"testing"
	"time"
)

func TestParseReply(t *testing.T) {
	t.Parallel()
	const head = "aaaaaaaaaaaaaaaa 00000000000000ff 250 42 40 0"
	r, err := parseReply("read", []any{head, "0000000000000001 0", "ffffffffffffffff 5000"})
	if err != nil {
		t.Fatal(err)
	}
	want := header{birth: "aaaaaaaaaaaaaaaa", epoch: 255, quarantine: 250 * time.Millisecond, seq: 42, published: 40}
	if r.header != want {
		t.Errorf("header %+v, want %+v", r.header, want)
	}
	if len(r.states) != 2 || r.states[0] != (state{nonce: 1}) || r.states[1] != (state{nonce: 1<<64 - 1, fenced: 5 * time.Second}) {
		t.Errorf("states %+v", r.states)
	}
	r, err = parseReply("poll", []any{head, "+ 0", "a b", "0000000000000007 0"})
	if err != nil || !r.complete || len(r.states) != 1 || r.states[0] != (state{scope: "a b", nonce: 7}) {
		t.Errorf("poll: %+v, %v", r, err)
	}
	for _, bad := range []any{
		nil, "x", []any{}, []any{int64(1)}, []any{""}, []any{head, int64(1)}, []any{head, "1 0"},
		[]any{head, "0000000000000000 0"}, []any{head, "0000000000000001"}, []any{head, "0000000000000001 -1"},
		[]any{head, "0000000000000001 99999999999999"}, []any{strings.Replace(head, "42", "x", 1)},
		[]any{strings.Replace(head, "aaaa", "", 1)}, []any{head + " 1"},
	} {
		if r, err := parseReply("read", bad); err == nil {
			t.Errorf("%v: no error, %+v", bad, r)
		}
	}
	for _, bad := range []any{[]any{head}, []any{head, "+ 0", "a"}, []any{head, "+ 0", int64(1), "0000000000000001 0"}} {
		if r, err := parseReply("poll", bad); err == nil {
			t.Errorf("%v: no error, %+v", bad, r)
		}
	}
}

var goodMessages = []string{
	"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 1 0000000000000001o1:t",
	"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 12 2 0000000000000001o3:a:b0000000000000002f0:",
	"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 0 ",
	"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 900 ",
}

func TestParseMessage(t *testing.T) {
	t.Parallel()
	for _, s := range goodMessages {
		if _, ok := parseMessage(s); !ok {
			t.Errorf("%q cannot be read", s)
		}
	}
	m, _ := parseMessage(goodMessages[1])
	if m.birth != "aaaaaaaaaaaaaaaa" || m.epoch != 255 || m.previous != 10 || m.seq != 12 || m.partial || len(m.states) != 2 ||
		m.states[0] != (change{"a:b", 1, false}) || m.states[1] != (change{"", 2, true}) {
		t.Errorf("%+v", m)
	}
	if m, _ := parseMessage(goodMessages[3]); !m.partial {
		t.Error("scopes were left out and the message does not say so")
	}
	for _, s := range []string{
		"", "1", "2" + goodMessages[0][1:], goodMessages[0] + "x", goodMessages[0][:len(goodMessages[0])-1],
		"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 2 0000000000000001o1:t",
		"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 1 0000000000000000o1:t",
		"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 1 0000000000000001x1:t",
		"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 1 0000000000000001o99:t",
		"1 aaaaaaaaaaaaaaaa 00000000000000ff 10 11 1 0000000000000001o-1:t",
		"1 aaaaaaaaaaaaaaaa 00000000000000ff -1 11 0 ",
		strings.Repeat("1", maxMessage+1),
	} {
		if m, ok := parseMessage(s); ok {
			t.Errorf("%q was read as %+v", s, m)
		}
	}
}

func FuzzParseMessage(f *testing.F) {
	for _, s := range goodMessages {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, ok := parseMessage(s)
		if !ok {
			return
		}
		size := 0
		for _, c := range m.states {
			if c.nonce == 0 {
				t.Error("0 is not a version")
			}
			size += len(c.scope) + 17
		}
		if size > len(s) {
			t.Errorf("%d bytes of states out of %d", size, len(s))
		}
	})
}

func FuzzParseReply(f *testing.F) {
	f.Add("aaaaaaaaaaaaaaaa 00000000000000ff 250 42 40 0", "+ 0", "t", "0000000000000007 0")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		for _, op := range []string{"read", "poll"} {
			for _, raw := range [][]any{{a}, {a, b}, {a, b, c}, {a, b, c, d}} {
				r, err := parseReply(op, raw)
				if err != nil {
					continue
				}
				if r.epoch == 0 {
					t.Error("0 is not an epoch")
				}
				for _, s := range r.states {
					if s.nonce == 0 || s.fenced < 0 {
						t.Errorf("%+v", s)
					}
				}
			}
		}
	})
}
