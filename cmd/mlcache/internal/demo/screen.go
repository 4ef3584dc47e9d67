package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// screen writes what the demo shows, at most 80 columns wide. On a terminal a
// line can be live; elsewhere no control character is written, and of a live line
// only one state in two seconds.
type screen struct {
	out      io.Writer
	terminal bool
	live     bool
	shown    time.Time
	printer  *message.Printer // for the commas in large numbers
}

func newScreen(out io.Writer, terminal bool) *screen {
	return &screen{out: out, terminal: terminal, printer: message.NewPrinter(language.English)}
}

const plainInterval = 2 * time.Second

// printf writes whole lines.
func (s *screen) printf(format string, args ...any) {
	s.clear()
	_, _ = s.printer.Fprintf(s.out, format, args...)
}

// livef replaces the live line.
func (s *screen) livef(format string, args ...any) {
	text := s.printer.Sprintf(format, args...)
	if s.terminal {
		_, _ = fmt.Fprintf(s.out, "\r\x1b[K%.79s", text)
		s.live = true
		return
	}
	if time.Since(s.shown) >= plainInterval {
		_, _ = fmt.Fprintf(s.out, "%.80s\n", text)
		s.shown = time.Now()
	}
}

// clear takes the live line away.
func (s *screen) clear() {
	if s.live {
		_, _ = fmt.Fprint(s.out, "\r\x1b[K")
		s.live = false
	}
}

// bar shows how much of total is done, until done is called. Without a terminal
// it shows nothing.
func (s *screen) bar(label string, total int) (set func(int), done func()) {
	if !s.terminal {
		return func(int) {}, func() {}
	}
	b := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(s.out), progressbar.OptionSetDescription(label), progressbar.OptionSetWidth(20),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(false), progressbar.OptionUseANSICodes(true),
	)
	return func(n int) { _ = b.Set(n) }, func() { _ = b.Finish(); _ = b.Clear() }
}
