package history

import (
	"strings"
	"testing"
)

// made is a history of one register: versions 1 and 2, written by processes 1 and
// 2, of which the first returned at 200 and the second at 400.
func made(change func(h *History)) *History {
	h := &History{
		Shape: Shape{Tables: 1, Rows: 1},
		Writes: []Op{
			{Process: 1, Register: 0, By: "a", Call: 100, Return: 200, Outcome: Committed, Version: 1},
			{Process: 2, Register: 0, By: "b", Call: 300, Return: 400, Outcome: Committed},
			{Process: 2, Register: 0, By: "c", Call: 350, Return: 360, Outcome: RolledBack},
		},
		Refusal: never,
		Phases:  []Phase{{Name: "quiet", Start: 0, End: 10000, Quiet: true}},
	}
	truth := []seen{{0, 1, "a"}, {0, 2, "b"}}
	if change != nil {
		change(h)
	}
	h.match(truth)
	return h
}

func read(process int, version int64, by string, call, end int64) Op {
	return Op{Process: process, Version: version, By: by, Call: call, Return: end, Level: L1, Key: "row"}
}

func judge(h *History, bound int64, strict bool) []string {
	h.Judge()
	h.Bounded(bound)
	h.Settled(100)
	if strict {
		h.Linearizable(nil)
	}
	return h.Violations
}

// shown is an answer that shows a setting that was changed between 895 and 900; that may stay unnoticed for 100.
func shown(s Setting) func(*History) {
	return func(h *History) {
		h.Reloads = []Setting{{Name: SearchPath, Value: "public"}, {Name: TimeZone, Value: "+00"}, {Name: SearchPath, Value: "tenant", Call: 895, Return: 900}}
		s.Name = SearchPath
		h.Settings = []Setting{s}
	}
}

// Each rule finds what breaks it, and nothing else is found.
func TestCheckers(t *testing.T) {
	const bound = 1000
	reads := func(list ...Op) func(*History) { return func(h *History) { h.Reads = list } }
	for _, c := range []struct {
		name   string
		change func(*History)
		strict bool
		want   string // a part of the violation; empty for none
	}{
		{"nothing wrong", reads(read(3, 0, "", 10, 20), read(3, 1, "a", 150, 160), read(3, 1, "a", 390, 410), read(3, 2, "b", 420, 430)), true, ""},
		{"old within the bound", reads(read(3, 0, "", 900, 910), read(4, 1, "a", 1399, 1400)), false, ""},
		{"old beyond the bound", reads(read(3, 0, "", 1201, 1210)), false, "the bound is"},
		{"strict: old at all", reads(read(3, 1, "a", 401, 410)), true, "not linearizable"},
		{"strict: seen, then not, while the write is under way", reads(read(3, 2, "b", 310, 320), read(4, 1, "a", 330, 340)), true, "not linearizable"},
		{"bounded: seen by one, then not by another", reads(read(3, 2, "b", 310, 320), read(4, 1, "a", 330, 340)), false, ""},
		{"rolled back, but seen", reads(read(3, 2, "c", 355, 370)), false, "never committed"},
		{"a version from nowhere", reads(read(3, 3, "x", 500, 510)), false, "never committed"},
		{"seen before it was written", reads(read(3, 2, "b", 250, 260)), false, "written later"},
		{"own write missed", reads(read(2, 1, "a", 401, 410)), false, "itself had written version 2"},
		{"own write, while under way", reads(read(2, 1, "a", 399, 410)), false, ""},
		{"backwards", reads(read(3, 2, "b", 410, 420), read(3, 1, "a", 430, 440)), false, "the process had seen version 2"},
		{"backwards through another pool", reads(read(3, 2, "b", 410, 420), func() Op { r := read(3, 1, "a", 430, 440); r.Client = 1; return r }()), false, "the process had seen version 2"},
		{"backwards in another process", reads(read(3, 2, "b", 410, 420), read(4, 1, "a", 430, 440)), false, ""},
		{"backwards, to another question", reads(read(3, 2, "b", 410, 420), func() Op { r := read(3, 1, "a", 430, 440); r.Key = "table"; return r }()), false, ""},
		{"backwards, at the same time", reads(read(3, 2, "b", 410, 430), read(3, 1, "a", 430, 440)), false, ""},
		{"backwards under a fault", func(h *History) {
			h.Phases[0].Quiet = false
			h.Reads = []Op{read(3, 2, "b", 410, 420), read(3, 1, "a", 430, 440)}
		}, false, ""},
		{"acknowledged, but not there", func(h *History) {
			h.Writes = append(h.Writes, Op{By: "d", Call: 500, Return: 510, Outcome: Committed})
		}, false, "did not happen"},
		{"refused, but there", func(h *History) { h.Writes[1].Outcome = Refused }, false, "was refused, but made version 2"},
		{"told another version", func(h *History) { h.Writes[1].Version = 7 }, false, "it made 2"},
		{"told late, and old before that", func(h *History) {
			h.Writes[1].Late = true
			h.Reads = []Op{read(3, 1, "a", 3000, 3010), read(2, 2, "b", 3020, 3030)}
		}, false, ""},
		{"told late, and old long after that", func(h *History) {
			h.Writes[1].Late = true
			h.Reads = []Op{read(2, 2, "b", 500, 510), read(3, 1, "a", 1511, 1520)}
		}, false, "the bound is"},
		{"Redis takes no writes, which is not noticed yet", func(h *History) {
			h.Writes[1].Late, h.Phases[0].Refuses, h.Refusal = true, true, 2000
			h.Reads = []Op{read(3, 1, "a", 2900, 3000)}
		}, false, ""},
		{"Redis takes no writes, and old long after that", func(h *History) {
			h.Writes[1].Late, h.Phases[0].Refuses, h.Refusal = true, true, 2000
			h.Reads = []Op{read(3, 1, "a", 3001, 3010)}
		}, false, "the bound is"},
		{"shown a setting of before", shown(Setting{Value: "public", Call: 990, Return: 995}), false, ""},
		{"shown a setting of long before", shown(Setting{Value: "public", Call: 1001, Return: 1005}), false, "which was changed"},
		{"shown a setting too early", shown(Setting{Value: "tenant", Call: 800, Return: 890}), false, "which was changed"},
		{"shown a setting of now", shown(Setting{Value: "tenant", Call: 900, Return: 910}), false, ""},
		{"shown a setting from nowhere", shown(Setting{Value: "other", Call: 1, Return: 2}), false, "it has never been"},
		{"outcome unknown, never seen", func(h *History) {
			h.Writes[1].Outcome, h.Writes[1].Return = Unknown, never
			h.Reads = []Op{read(3, 1, "a", 3000, 3010)}
		}, true, ""},
		{"outcome unknown, seen, old long after that", func(h *History) {
			h.Writes[1].Outcome, h.Writes[1].Return = Unknown, never
			h.Reads = []Op{read(3, 2, "b", 500, 510), read(4, 1, "a", 1511, 1520)}
		}, false, "the bound is"},
		{"strict: outcome unknown, seen, then not", func(h *History) {
			h.Writes[1].Outcome, h.Writes[1].Return = Unknown, never
			h.Reads = []Op{read(3, 2, "b", 500, 510), read(4, 1, "a", 511, 520)}
		}, true, "not linearizable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := int64(bound)
			if c.strict {
				b = never
			}
			got := judge(made(c.change), b, c.strict)
			all := strings.Join(got, "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("found %q, want %q", all, c.want)
			}
		})
	}
}

// A long history is cut into pieces; what is wrong between two of them is found.
func TestLinearizableAcrossPieces(t *testing.T) {
	const writes = 3 * pieceSize
	build := func(stale bool) *History {
		h := &History{Shape: Shape{Tables: 1, Rows: 1}, Phases: []Phase{{Name: "quiet", End: never}}}
		var truth []seen
		at := int64(1)
		for v := int64(1); v <= writes; v++ {
			by := strings.Repeat("w", int(v%7)) + string(rune('0'+v%10)) + string(rune(0x4000+v))
			h.Writes = append(h.Writes, Op{Process: 1, By: by, Call: at, Return: at + 5, Outcome: Committed})
			truth = append(truth, seen{0, v, by})
			at += 10
			version := v
			if stale && v == writes/2 {
				version--
			}
			h.Reads = append(h.Reads, Op{Process: 2, Version: version, Call: at, Return: at + 5})
			at += 10
		}
		h.match(truth)
		return h
	}
	h := build(false)
	if n := h.Linearizable(nil); n != 2*writes || len(h.Violations) > 0 {
		t.Errorf("%d operations judged: %v", n, h.Violations)
	}
	h = build(true)
	if h.Linearizable(nil); len(h.Violations) == 0 {
		t.Error("an old answer was not found")
	}
}
