package mlcache

import (
	"os"
	"strings"
	"testing"
)

// The README's table must name each reason, with its description and an example,
// and no other.
func TestREADMEListsEveryReason(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "## What is not cached")
	section, _, _ = strings.Cut(section, "\n## ")
	listed := make(map[string]string)
	for line := range strings.Lines(section) {
		cells := strings.SplitN(strings.Trim(line, "| \n"), " | ", 3)
		if len(cells) == 3 && strings.HasPrefix(cells[0], "`") {
			listed[strings.Trim(cells[0], "`")] = cells[1]
			if cells[2] == "" {
				t.Errorf("%s has no example", cells[0])
			}
		}
	}
	for _, r := range Reasons() {
		if got := listed[string(r)]; got != ReasonDoc(r) || got == "" {
			t.Errorf("%s: README says %q, the code %q", r, got, ReasonDoc(r))
		}
		delete(listed, string(r))
	}
	for r := range listed {
		t.Errorf("README lists %s, which is no reason", r)
	}
}

// Whoever asks why is told what to do about it.
func TestEveryReasonHasAdvice(t *testing.T) {
	t.Parallel()
	for _, r := range Reasons() {
		if ReasonAdvice(r) == "" {
			t.Errorf("%s has no advice", r)
		}
	}
	for _, text := range []string{"SELECT now()", "SELECT 1; SELECT 2", "UPDATE t SET a = 1"} {
		if x := ExplainText(text); x.Advice == "" || x.Advice != ReasonAdvice(x.Reason) {
			t.Errorf("%s: advice %q", text, x.Advice)
		}
	}
	if x := ExplainText("SELECT a FROM t"); x.Advice != "" {
		t.Errorf("advice %q for what is cacheable", x.Advice)
	}
}
