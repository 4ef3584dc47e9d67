package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
)

func importCases() []Case {
	return []Case{
		{
			Name: "import cost: start of the program", Against: "a program that imports pgx", Unit: Millis,
			Limit: bound(2), Aim: bound(0.5), Measure: importTime,
		},
		{
			Name: "import cost: stripped binary", Against: "a program that imports pgx", Unit: MB,
			Limit: bound(3), Aim: bound(2), Measure: importSize,
		},
	}
}

// buildBoth builds the two empty programs of package importcost.
func buildBoth(ctx context.Context) (mlcache, pgx string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "mlcache-bench-import-")
	if err != nil {
		return "", "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	for _, name := range []string{"mlcache", "pgx"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, name),
			"github.com/mlcache/mlcache/bench/internal/importcost/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			remove()
			return "", "", nil, fmt.Errorf("go build (run the benchmark inside its repository): %w: %s", err, out)
		}
	}
	return filepath.Join(dir, "mlcache"), filepath.Join(dir, "pgx"), remove, nil
}

func importTime(ctx context.Context, env *Env) (Outcome, error) {
	subject, reference, remove, err := buildBoth(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer remove()
	start := func(path string) (float64, error) {
		begun := time.Now()
		err := exec.CommandContext(ctx, path).Run()
		return float64(time.Since(begun)), err
	}
	var more, subjects, references []float64
	for range env.rounds(101) {
		s, err := start(subject)
		if err != nil {
			return Outcome{}, err
		}
		r, err := start(reference)
		if err != nil {
			return Outcome{}, err
		}
		more = append(more, (s-r)/float64(time.Millisecond))
		subjects, references = append(subjects, s), append(references, r)
	}
	o := outcomeOf(more)
	o.Subject.Time = time.Duration(duel.Median(subjects))
	o.Reference.Time = time.Duration(duel.Median(references))
	return o, nil
}

func importSize(ctx context.Context, _ *Env) (Outcome, error) {
	subject, reference, remove, err := buildBoth(ctx)
	if err != nil {
		return Outcome{}, err
	}
	defer remove()
	s, err := os.Stat(subject)
	if err != nil {
		return Outcome{}, err
	}
	r, err := os.Stat(reference)
	if err != nil {
		return Outcome{}, err
	}
	const mb = 1e6
	o := outcomeOf([]float64{float64(s.Size()-r.Size()) / mb})
	o.Note = fmt.Sprintf("%.1f MB and %.1f MB", float64(s.Size())/mb, float64(r.Size())/mb)
	return o, nil
}
