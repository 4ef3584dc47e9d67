package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/mlcache/mlcache/bench/internal/suite"
)

// File is what is kept of a run.
type File struct {
	At       time.Time
	Go       string
	System   string
	Procs    int // GOMAXPROCS
	Postgres string
	Redis    string
	Short    bool
	Basics   []suite.Row `json:",omitempty"`
	Cases    []Entry
	Peers    []suite.Row `json:",omitempty"`
}

// Entry is one row of the table of limits.
type Entry struct {
	Case, Reference string
	Unit            suite.Unit
	Limit, Aim      suite.Bound
	Verdict         suite.Verdict  `json:",omitempty"`
	Outcome         *suite.Outcome `json:",omitempty"`
	Error           string         `json:",omitempty"`
}

// NewFile describes this process and the servers.
func NewFile(postgres, redis string, short bool) *File {
	return &File{
		At:       time.Now().UTC().Truncate(time.Second),
		Go:       runtime.Version(),
		System:   runtime.GOOS + "/" + runtime.GOARCH,
		Procs:    runtime.GOMAXPROCS(0),
		Postgres: postgres,
		Redis:    redis,
		Short:    short,
	}
}

// Add appends a result.
func (f *File) Add(r Result) {
	e := Entry{Case: r.Name, Reference: r.Against, Unit: r.Unit, Limit: r.Limit, Aim: r.Aim}
	if r.Err != nil {
		e.Error = r.Err.Error()
	} else {
		e.Verdict, e.Outcome = r.Verdict, &r.Outcome
	}
	f.Cases = append(f.Cases, e)
}

// WriteJSON writes the file to path, whose folder it makes if need be.
func (f *File) WriteJSON(path string) error {
	b, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

var notInName = regexp.MustCompile(`[^A-Za-z0-9]+`)

// WriteBenchmarks writes every round as a line of Go's benchmark format, so that
// benchstat can compare two runs.
func (f *File) WriteBenchmarks(w io.Writer) error {
	for _, e := range f.Cases {
		if e.Outcome == nil {
			continue
		}
		name := strings.Trim(notInName.ReplaceAllString(e.Case, "-"), "-") + "/" +
			strings.Trim(notInName.ReplaceAllString(e.Reference, "-"), "-")
		unit := strings.Trim(notInName.ReplaceAllString(string(e.Unit), "-"), "-")
		for _, v := range e.Outcome.Values {
			if _, err := fmt.Fprintf(w, "Benchmark%s 1 %.6g %s\n", name, v, unit); err != nil {
				return err
			}
		}
	}
	return nil
}
