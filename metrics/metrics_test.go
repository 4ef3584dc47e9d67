package metrics_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/metrics"
)

// Everything that a scrape takes is described where operators look, and nothing else is.
func TestEveryMetricIsInTheDocumentation(t *testing.T) {
	raw, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(multilevel_cache_[a-z0-9_]+)` \\| (\\w+) \\| ([^|]*) \\| ([^|]+) \\|$").FindAllStringSubmatch(string(raw), -1) {
		rows[m[1]] = m[2:]
	}
	for _, m := range metrics.All() {
		row := rows[m.Name]
		if row == nil {
			t.Errorf("%s has no row in docs/operating.md", m.Name)
			continue
		}
		if row[0] != string(m.Type) {
			t.Errorf("%s is a %s, not a %s", m.Name, m.Type, row[0])
		}
		var named []string
		for _, l := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[1], -1) {
			named = append(named, l[1])
		}
		if !slices.Equal(named, m.Labels) {
			t.Errorf("%s has the labels %v, not %v", m.Name, m.Labels, named)
		}
		delete(rows, m.Name)
	}
	for name := range rows {
		t.Errorf("docs/operating.md describes %s, which there is not", name)
	}
	for _, name := range regexp.MustCompile("multilevel_cache_[a-z0-9_]+[a-z0-9]").FindAllString(string(raw), -1) {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !slices.ContainsFunc(metrics.All(), func(m *metrics.Metric) bool { return m.Name == base }) {
			t.Errorf("docs/operating.md names %s, which there is not", name)
		}
	}
}

func TestLabelsFitTheirNames(t *testing.T) {
	s := &mlcache.Stats{
		Breaker: "open", Reasons: map[mlcache.Reason]uint64{"bypass": 1},
		Tables: []mlcache.TableStats{{Table: "public.a"}, {Table: "public.\xff"}, {Table: "\"public.\\xff\""}, {Table: "é"}},
	}
	for _, m := range metrics.All() {
		seen := map[string]bool{}
		for _, x := range m.Read(s) {
			if len(x.Labels) != len(m.Labels) {
				t.Errorf("%s: %d values for %d labels", m.Name, len(x.Labels), len(m.Labels))
			}
			key := strings.Join(x.Labels, "\x00")
			if seen[key] || strings.ToValidUTF8(key, "") != key {
				t.Errorf("%s: %q is no label, or there twice", m.Name, x.Labels)
			}
			seen[key] = true
		}
		if len(seen) == 0 {
			t.Errorf("%s has no value", m.Name)
		}
	}
	if alone := (&mlcache.Stats{}); len(metrics.All()[len(metrics.All())-1].Read(alone)) != 0 {
		t.Error("a metric of Redis without Redis")
	}
}
