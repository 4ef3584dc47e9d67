package trial

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/mlcache/mlcache/sqlinfo"
)

var titles = map[Level]string{
	Origin: "over pgx", L1: "hit in memory (L1)", L2: "hit in Redis (L2)", Miss: "miss, which fills the cache",
}

// Print writes the report for a person, at most 100 columns wide.
func (r *Report) Print(w io.Writer) error {
	out := &printer{w: w}
	out.printf("%d of %d statements were run for %.1f s", r.Run, len(r.Statements)+r.Hidden, r.Seconds)
	for _, n := range []struct {
		count int
		what  string
	}{
		{r.Refused, "are not cached"}, {r.Parameters, "have parameters whose values are not known"},
		{r.Failed, "failed"}, {r.Late, "had no time"}, {r.Hidden, "are hidden from this user"},
	} {
		if n.count > 0 {
			out.printf("; %d %s", n.count, n.what)
		}
	}
	out.printf(".\n")
	if r.Run > 0 {
		out.printf("Hit ratio %.1f %%: %d hits in memory, %d in Redis, %d misses. It is that of repeated texts; an\n"+
			"application's own is in Handle.Stats.\n", 100*r.HitRatio, r.L1Hits, r.L2Hits, r.Misses)
		for _, l := range r.Levels {
			out.histogram(l)
		}
		out.table(r)
	}
	out.skipped(r)
	return out.err
}

type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// barWidth is the longest bar, in columns.
const barWidth = 50

func (p *printer) histogram(l LevelReport) {
	p.printf("\n%s: %d, p50 %s, p90 %s, p99 %s, max %s\n", titles[l.Level], l.Count,
		micros(l.P50), micros(l.P90), micros(l.P99), micros(l.Max))
	most := int64(1)
	for _, b := range l.Buckets {
		most = max(most, b.Count)
	}
	for _, b := range l.Buckets {
		p.printf("%8s – %-7s %-*s %5.1f %%\n", micros(b.From), micros(b.To), barWidth, bar(float64(b.Count)/float64(most)),
			100*float64(b.Count)/float64(max(l.Count, 1)))
	}
}

// bar is a bar of the share of barWidth, to an eighth of a column. What is there at
// all is shown.
func bar(share float64) string {
	eighths := int(share*barWidth*8 + 0.5)
	if eighths == 0 && share > 0 {
		eighths = 1
	}
	out := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		out += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return out
}

// micros writes microseconds with a unit.
func micros(us float64) string {
	switch {
	case us >= 1e6:
		return strconv.FormatFloat(us/1e6, 'g', 3, 64) + " s"
	case us >= 1000:
		return strconv.FormatFloat(us/1000, 'g', 3, 64) + " ms"
	default:
		return strconv.FormatFloat(us, 'g', 3, 64) + " µs"
	}
}

// table says for each statement what the cache brings or costs: those with most to
// gain first.
func (p *printer) table(r *Report) {
	p.printf("\nMedians; the levels as ratios to pgx, which is exact only after many runs.\n" +
		"\"pays from\": the share of hits from which on caching saves time.\n\n")
	var rows []StatementReport
	for _, s := range r.Statements {
		if s.Skipped == nil {
			rows = append(rows, s)
		}
	}
	slices.SortStableFunc(rows, func(a, b StatementReport) int { return cmp.Compare(b.saves(), a.saves()) })
	t := tabwriter.NewWriter(writer{p}, 0, 8, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprint(t, "runs\tpgx\tL1\tL2\tmiss\tpays from\t  statement\n")
	for _, s := range rows {
		pays := "never"
		if s.PaysFrom != nil {
			pays = fmt.Sprintf("%.1f %%", 100**s.PaysFrom)
		}
		if s.Ratio[L1]+s.Ratio[L2] == 0 {
			pays = "unknown" // no hit came about
		}
		_, _ = fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t  %s\n", s.Levels[0].Count, micros(s.Levels[0].P50), ratio(s.Ratio[L1]), ratio(s.Ratio[L2]), ratio(s.Ratio[Miss]), pays, oneLine(s.Text))
	}
	_ = t.Flush() // the error is the printer's
}

// saves is what a hit saves: of all calls that the database has counted, or of one.
func (s StatementReport) saves() float64 {
	hit, ok := s.Ratio[L1]
	if !ok {
		hit, ok = s.Ratio[L2]
	}
	if !ok {
		return 0
	}
	return (1 - hit) * s.Levels[0].P50 * float64(max(s.Calls, 1))
}

func ratio(r float64) string {
	switch {
	case r == 0:
		return "-"
	case r < 0.5:
		return "1/" + strconv.FormatFloat(1/r, 'f', 0, 64)
	default:
		return strconv.FormatFloat(r, 'f', 2, 64)
	}
}

func (p *printer) skipped(r *Report) {
	title := "\nNot run:\n"
	for _, s := range r.Statements {
		if s.Skipped == nil {
			continue
		}
		p.printf("%s", title)
		title = ""
		p.printf("  %s\n      %s", oneLine(s.Text), s.Skipped.Reason)
		if s.Skipped.Detail != "" {
			p.printf(": %s", oneLine(s.Skipped.Detail))
		}
		if s.Skipped.Advice != "" {
			p.printf("\n      %s", s.Skipped.Advice)
		}
		p.printf("\n")
	}
}

// oneLine cuts a text to a line that cannot play with the terminal.
func oneLine(text string) string {
	const width = 60
	runes := []rune(strings.Join(strings.Fields(string(sqlinfo.Canonical(nil, text))), " "))
	for i, r := range runes {
		if !strconv.IsPrint(r) {
			runes[i] = '?'
		}
	}
	if len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return string(runes)
}

// writer is a printer as an io.Writer.
type writer struct{ p *printer }

func (w writer) Write(b []byte) (int, error) {
	w.p.printf("%s", b)
	return len(b), w.p.err
}
