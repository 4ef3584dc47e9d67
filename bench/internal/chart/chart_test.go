package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func example() *Chart {
	return &Chart{
		Name: "example", Title: "an example", X: "sizes", Y: "times the smallest",
		Lines: []Line{
			{Name: "level", Points: []Point{{1, 1}, {10, 1.1}, {1000, 0.9}}},
			{Name: "steep", Points: []Point{{1, 1}, {10, 10}, {1000, 1000}}},
		},
	}
}

// The texts of an SVG, which must be well-formed.
func textsOf(t *testing.T, svg io.Reader) (texts []string) {
	t.Helper()
	d := xml.NewDecoder(svg)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.CharData); ok {
			texts = append(texts, strings.TrimSpace(string(s)))
		}
	}
}

func TestChartShowsItsWords(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	if err := example().WriteFile(dir); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "example.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	texts := textsOf(t, f)
	for _, want := range []string{"an example", "sizes", "times the smallest", "level", "steep", "1", "10", "1000"} {
		if !slices.Contains(texts, want) {
			t.Errorf("%q is not in the chart: %q", want, texts)
		}
	}
}

func TestWhatNoAxisCanShowIsAnError(t *testing.T) {
	t.Parallel()
	for _, bad := range []Point{{0, 1}, {1, 0}, {1, -1}, {1, math.NaN()}, {1, math.Inf(1)}} {
		c := example()
		c.Lines[1].Points[1] = bad
		if err := c.Draw(io.Discard); err == nil {
			t.Errorf("no error for %v", bad)
		}
	}
	if err := (&Chart{}).Draw(io.Discard); err == nil {
		t.Error("no error for a chart without lines")
	}
}

func TestTableHasEveryPoint(t *testing.T) {
	t.Parallel()
	c := example()
	c.Lines[0].Points = c.Lines[0].Points[:2]
	var b bytes.Buffer
	if err := c.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for line := range strings.Lines(b.String()) {
		got = append(got, strings.Fields(line))
	}
	want := [][]string{{"1", "1", "1"}, {"10", "1.1", "10"}, {"1000", "1e+03"}}
	if len(got) != 6 || !slices.EqualFunc(got[2:5], want, slices.Equal) {
		t.Errorf("got %q", b.String())
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	if got, want := steps(0.15, 12), []float64{0.2, 0.5, 1, 2, 5, 10}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := steps(0.01, 1000), []float64{0.01, 0.1, 1, 10, 100, 1000}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
