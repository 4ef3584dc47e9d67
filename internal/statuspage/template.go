package statuspage

import (
	_ "embed"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed page.html
var source string

// The template is parsed when a page is first asked for. Neither variable says what is in it, so that a
// program that asks for no page does not hold the page and what it is made with.
var (
	once   sync.Once
	parsed *template.Template
)

func page() *template.Template {
	once.Do(func() {
		parsed = template.Must(template.New("page").Funcs(template.FuncMap{
			"count":    withSpaces,
			"duration": shortDuration,
			"bytes":    shortSize,
			"percent":  percent,
			"rate":     shortRate,
			"clock":    func(t time.Time) string { return t.Format("15:04:05") },
			"share":    share,
			"hits":     func(s Statement) float64 { return share(s.Hits, s.Calls) },
			"join":     func(s []string) string { return strings.Join(s, ", ") },
			"barwidth": func(f float64) string { return strconv.FormatFloat(100*min(max(f, 0), 1), 'f', 1, 64) },
		}).Parse(source))
	})
	return parsed
}

// withSpaces writes a number with spaces between the thousands.
func withSpaces(n any) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:] // a thin space
	}
	return s
}

func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func percent(f float64) string {
	switch {
	case f > 0 && f < 0.001:
		return "< 0.1 %"
	case f > 0.999 && f < 1:
		return "> 99.9 %"
	}
	return strconv.FormatFloat(100*f, 'f', 1, 64) + " %"
}

func shortRate(f float64) string {
	if f < 10 {
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return withSpaces(int64(f + 0.5))
}

// shortDuration writes three digits at most.
func shortDuration(d time.Duration) string {
	if d < 0 {
		return "–"
	}
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if d >= u.unit {
			f := float64(d) / float64(u.unit)
			digits := 0
			if f < 10 {
				digits = 1
			}
			return strconv.FormatFloat(f, 'f', digits, 64) + " " + u.name
		}
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}

func shortSize(n any) string {
	const k = 1024
	f, _ := strconv.ParseFloat(fmt.Sprint(n), 64)
	switch {
	case f >= k*k*k:
		return fmt.Sprintf("%.1f GiB", f/(k*k*k))
	case f >= k*k:
		return fmt.Sprintf("%.1f MiB", f/(k*k))
	case f >= k:
		return fmt.Sprintf("%.1f KiB", f/k)
	}
	return fmt.Sprint(n) + " B"
}
