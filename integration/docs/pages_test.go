package docs

import (
	"go/parser"
	"go/token"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/mlcache/mlcache"
)

// pages are all Markdown files, by their path below root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for name := range strings.FieldsSeq(string(out)) {
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	if all["README.md"] == "" || all["docs/patterns.md"] == "" {
		t.Fatal("the pages were not found")
	}
	return all
}

var (
	fence   = regexp.MustCompile("(?ms)^[ \t]*```([a-z]*)\n(.*?)^[ \t]*```[ \t]*$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	image   = regexp.MustCompile(`<img[^>]+src="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// anchors are the names under which GitHub finds the headings of a page.
func anchors(page string) map[string]bool {
	found := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		var name strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(m[1])) {
			switch {
			case r == ' ':
				name.WriteByte('-')
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				name.WriteRune(r)
			}
		}
		found[name.String()] = true
	}
	return found
}

// Links within the repository lead to a file, and to a heading that it has.
func TestLinks(t *testing.T) {
	all := pages(t)
	checked := 0
	for name, page := range all {
		text := fence.ReplaceAllString(page, "")
		for _, m := range append(link.FindAllStringSubmatch(text, -1), image.FindAllStringSubmatch(text, -1)...) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
				continue
			}
			if u.IsAbs() {
				continue
			}
			checked++
			target := name
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(name), u.Path)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s leads nowhere", name, m[1])
				continue
			}
			if u.Fragment != "" && !anchors(all[target])[u.Fragment] {
				t.Errorf("%s: %s: %s has no such heading", name, m[1], target)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d links were found", checked)
	}
}

// Every page of docs is reached from the README, directly or by another one.
func TestPagesAreLinked(t *testing.T) {
	all := pages(t)
	reached := map[string]bool{"README.md": true}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		for _, m := range link.FindAllStringSubmatch(all[queue[0]], -1) {
			path, _, _ := strings.Cut(m[1], "#")
			target := filepath.Join(filepath.Dir(queue[0]), path)
			if all[target] == "" { // a folder stands for its pages
				for name := range all {
					if filepath.Dir(name) == target {
						reached[name] = true
					}
				}
			}
			if all[target] != "" && !reached[target] {
				reached[target] = true
				queue = append(queue, target)
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "docs/") && !reached[name] {
			t.Errorf("nothing leads to %s", name)
		}
	}
}

var testName = regexp.MustCompile("`((?:Test|Example|Fuzz)[A-Z][A-Za-z0-9_]*)`")

// A test that a page names exists.
func TestTestsThatPagesNameExist(t *testing.T) {
	funcs := testFunctions(t)
	named := 0
	for name, page := range pages(t) {
		for _, m := range testName.FindAllStringSubmatch(page, -1) {
			named++
			if len(funcs[m[1]]) == 0 {
				t.Errorf("%s names %s, which there is not", name, m[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d names were found", named)
	}
}

// Each row of the table of failures names a test.
func TestEveryFailureHasATest(t *testing.T) {
	for _, row := range table(t, "docs/failure-modes.md") {
		if len(names(row[len(row)-1])) == 0 {
			t.Errorf("%s: no test", row[0])
		}
	}
}

var key = regexp.MustCompile(`\bmlcache_[a-z0-9_]+`)

// Every key of a DSN that a page names is one. Databases and metrics have other names.
func TestKeysThatPagesNameExist(t *testing.T) {
	_, err := mlcache.ParseConfig("postgres://localhost/?mlcache_nonsense=1")
	if err == nil {
		t.Fatal("any key is taken")
	}
	valid := err.Error()
	for name, page := range pages(t) {
		if !strings.HasPrefix(name, "docs/") && name != "README.md" {
			continue
		}
		for _, k := range key.FindAllString(page, -1) {
			if k != "mlcache_" && !regexp.MustCompile(`\b`+k+`\b`).MatchString(valid) {
				t.Errorf("%s: %s is no key", name, k)
			}
		}
	}
}

// Whole programs that pages show compile; pieces of them can be read as Go.
func TestGoInPages(t *testing.T) {
	programs := 0
	for name, page := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(page, -1) {
			if m[1] != "go" {
				continue
			}
			if !strings.Contains(m[2], "package main") {
				source := "package p\nfunc _() {\n" + m[2] + "\n}"
				if strings.HasPrefix(strings.TrimSpace(m[2]), "import") {
					source = "package p\n" + m[2]
				}
				if _, err := parser.ParseFile(token.NewFileSet(), "", source, 0); err != nil {
					t.Errorf("%s: %v in\n%s", name, err, m[2])
				}
				continue
			}
			programs++
			dir, err := os.MkdirTemp(".", "page") // within the module, so that its imports are found
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(m[2]), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("go", "vet", "./"+dir).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
	if programs < 2 {
		t.Errorf("%d programs, want the README's two", programs)
	}
}
