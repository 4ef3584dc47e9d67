package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// root is the repository's.
const root = "../.."

// function is a test or an example.
type function struct {
	dir    string // below root
	output bool   // of an example: it says what it prints
}

// testFunctions finds all tests and examples of all modules, by name.
func testFunctions(t *testing.T) map[string][]function {
	t.Helper()
	found := make(map[string][]function)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."), d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				found[f.Name.Name] = append(found[f.Name.Name], function{dir: dir})
			}
		}
		for _, e := range doc.Examples(file) {
			name := "Example" + e.Name
			found[name] = append(found[name], function{dir, e.Output != "" || e.EmptyOutput})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// inWorkspace tells whether the module of a directory is one of go.work's.
func inWorkspace(t *testing.T, dir string) bool {
	t.Helper()
	for ; dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			break
		}
	}
	work, err := os.ReadFile(filepath.Join(root, "go.work"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(work)) {
		if strings.TrimSpace(line) == "./"+dir || dir == "." && strings.TrimSpace(line) == "." {
			return true
		}
	}
	return false
}
