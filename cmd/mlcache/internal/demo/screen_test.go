package demo

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLiveLineGivesWayOnATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := newScreen(&out, true)
	s.livef("%d reads %s", 1234567, strings.Repeat("µ", 100))
	s.livef("b")
	s.printf("done\n")
	s.printf("again\n")
	parts := strings.Split(out.String(), "\r\x1b[K")
	if len(parts) != 4 || !strings.HasPrefix(parts[1], "1,234,567 reads") || utf8.RuneCountInString(parts[1]) != 79 ||
		parts[2] != "b" || parts[3] != "done\nagain\n" {
		t.Errorf("%q", parts)
	}
}

func TestLiveLineIsSparseElsewhere(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := newScreen(&out, false)
	s.livef("a")
	s.livef("b")
	set, done := s.bar("bar", 10)
	set(5)
	done()
	s.printf("c\n")
	if out.String() != "a\nc\n" {
		t.Errorf("%q", out.String())
	}
}

func TestFiguresAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.00 µs", 850: "0.85 µs", 12_345: "12 µs", 1_234_567: "1.2 ms", 15 * time.Second: "15.0 s",
	} {
		if got := short(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
	for f, want := range map[float64]string{0.33: "0.3x", 9.94: "9.9x", 180.4: "180x"} {
		if got := factor(f); got != want {
			t.Errorf("%v: %q, want %q", f, got, want)
		}
	}
	if got := shortened("/" + strings.Repeat("x", 60) + "/postgres"); utf8.RuneCountInString(got) != 45 || !strings.HasSuffix(got, "/postgres") {
		t.Errorf("%q", got)
	}
}
