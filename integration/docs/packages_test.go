package docs

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// public are the packages that a program may import, by their directories; true for
// those whose every function and method an example must call.
var public = map[string]bool{
	".": true, "cache": true, "invalidation": true,
	"cache/msgpack": true, "cache/zstd": true, "latency": true, "metrics/prometheus": true, "metrics/otel": true,
	"catalog": false, "sqlinfo": false, "cache/rowset": false, "metrics": false,
}

// notForPrograms are what no example needs to call: database/sql calls it, or the driver
// does for reasons that are its own.
var notForPrograms = map[string]string{
	"Connector.Close": "database/sql", "Connector.Connect": "database/sql", "Connector.Driver": "database/sql",
	"Collector.Collect": "Prometheus", "Collector.Describe": "Prometheus",
	"Driver.Open": "database/sql", "Driver.OpenConnector": "database/sql",
	"Versions.LiveAt": "the driver", "Versions.Paused": "the driver", "Versions.Quarantine": "the driver",
	"Versions.Quarantined": "the driver", "Versions.Tighten": "the driver", "Versions.HolderGone": "the driver",
	"Redis.Lease": "the driver", "Cell.OwnChanges": "the driver", "Assumption.Holds": "the driver",
	"Redis.GetHashed": "the driver", "Memory.Expired": "the driver", "Memory.Stored": "the driver",
}

// parsePackage gives a package's documentation and the names that its examples use.
func parsePackage(t *testing.T, dir string) (*doc.Package, map[string]bool) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	used := make(map[string]bool)
	paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no files, %v", dir, err)
	}
	for _, path := range paths {
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, "_test.go") {
			files = append(files, file)
			continue
		}
		for _, e := range doc.Examples(file) {
			if e.Output == "" && !e.EmptyOutput {
				t.Errorf("%s: Example%s has no Output and is never run", dir, e.Name)
			}
			ast.Inspect(e.Code, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					used[s.Sel.Name] = true
				}
				return true
			})
		}
	}
	pkg, err := doc.NewFromFiles(set, files, module+"/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return pkg, used
}

// Whatever a package exports says what it is, and the main packages show how it is used.
func TestEverythingIsDocumented(t *testing.T) {
	for dir, shown := range public {
		pkg, used := parsePackage(t, dir)
		if !strings.HasPrefix(pkg.Doc, "Package "+pkg.Name+" ") {
			t.Errorf("%s: no comment on the package", dir)
		}
		check := func(name, text string) {
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s: %s has no comment", dir, name)
			}
		}
		function := func(prefix string, f *doc.Func) {
			name := prefix + f.Name
			// What fmt and encoding/json call says what it does by its name.
			if f.Name == "String" || f.Name == "Error" || f.Name == "Unwrap" {
				return
			}
			check(name, f.Doc)
			if shown && !used[f.Name] && notForPrograms[name] == "" {
				t.Errorf("%s: no example uses %s", dir, name)
			}
		}
		for _, f := range pkg.Funcs {
			function("", f)
		}
		for _, v := range append(pkg.Consts, pkg.Vars...) {
			checkValue(check, v)
		}
		for _, typ := range pkg.Types {
			check(typ.Name, typ.Doc)
			for _, f := range typ.Funcs {
				function("", f)
			}
			for _, f := range typ.Methods {
				function(typ.Name+".", f)
			}
			for _, v := range typ.Vars { // a type's constants are what the type says
				checkValue(check, v)
			}
			if shown {
				checkFields(check, typ)
			}
		}
	}
}

// checkValue wants a comment on each value, or one on the group that they are in.
func checkValue(check func(name, text string), v *doc.Value) {
	for _, spec := range v.Decl.Specs {
		if s, ok := spec.(*ast.ValueSpec); ok {
			check(s.Names[0].Name, v.Doc+s.Doc.Text()+s.Comment.Text())
		}
	}
}

// checkFields wants a comment on each field of a struct, or on the struct if that
// says more than a line.
func checkFields(check func(name, text string), typ *doc.Type) {
	for _, spec := range typ.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		fields, ok := s.Type.(*ast.StructType)
		if !ok {
			continue
		}
		text := ""
		for _, f := range fields.Fields.List {
			if len(f.Names) == 0 || !f.Names[0].IsExported() {
				text = ""
				continue
			}
			// A comment holds for the fields that follow it without an empty line.
			if own := f.Doc.Text() + f.Comment.Text(); own != "" {
				text = own
			}
			check(typ.Name+"."+f.Names[0].Name, text)
		}
	}
}

// Every example runs, those too that need servers.
func TestExamples(t *testing.T) {
	t.Parallel()
	run := make(map[string][]string)
	for name, where := range testFunctions(t) {
		for _, f := range where {
			if _, ok := public[f.dir]; ok && strings.HasPrefix(name, "Example") {
				run[f.dir] = append(run[f.dir], name)
			}
		}
	}
	if len(run) != len(public) {
		t.Errorf("examples in %d packages only", len(run))
	}
	runAll(t, run)
}
