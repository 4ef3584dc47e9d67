package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	places = regexp.MustCompile("`([^`\n]+)`(?: \\(([^)]*)\\))?")
)

// What CONTRIBUTING says of where things are is true: each place exists and has what is said to be in it.
func TestPlacesThatContributingNamesExist(t *testing.T) {
	_, section, ok := strings.Cut(pages(t)["CONTRIBUTING.md"], "## Where to go")
	if !ok {
		t.Fatal("there is no map")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	found := 0
	for _, m := range places.FindAllStringSubmatch(section, -1) {
		path := filepath.Join(root, m[1])
		info, err := os.Stat(path)
		if err != nil {
			t.Errorf("%s is no place", m[1])
			continue
		}
		found++
		if info.IsDir() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range quoted.FindAllStringSubmatch(m[2], -1) {
			if !regexp.MustCompile(`\b` + regexp.QuoteMeta(name[1]) + `\b`).Match(text) {
				t.Errorf("%s has no %s", m[1], name[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d places were found", found)
	}
}

// Each package below internal stands in CONTRIBUTING's list, and has a rule that says whom it may know.
func TestPackagesHaveTheirPlaceAndTheirRule(t *testing.T) {
	list := pages(t)["CONTRIBUTING.md"]
	rules, err := os.ReadFile(filepath.Join(root, ".golangci.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := os.ReadDir(filepath.Join(root, "internal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		if name := "internal/" + dir.Name(); !strings.Contains(list, "| `"+name+"` |") {
			t.Errorf("CONTRIBUTING does not list %s", name)
		} else if !strings.Contains(string(rules), `"**/`+name+`/*.go"`) {
			t.Errorf("no rule of depguard is about %s", name)
		}
	}
	for _, m := range regexp.MustCompile("\\| `(internal/\\w+)` \\|").FindAllStringSubmatch(list, -1) {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("CONTRIBUTING lists %s, which there is not", m[1])
		}
	}
}
