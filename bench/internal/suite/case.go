// Package suite holds what is measured: each case of the table of limits, the
// four basics of a read, and the peers.
package suite

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/mlcache/mlcache/bench/internal/duel"
)

// Case is one row of the table of limits.
type Case struct {
	// Name says what is done, Against what it is compared with.
	Name, Against string
	Limit, Aim    Bound
	Unit          Unit
	Measure       func(context.Context, *Env) (Outcome, error)
}

// Unit says what the numbers of a case are.
type Unit string

// The units of cases. More is better for Throughput, and worse for the others.
const (
	Ratio      Unit = "times the reference's time"
	Throughput Unit = "times the reference's throughput"
	Millis     Unit = "ms"
	MiB        Unit = "MiB"
	MB         Unit = "MB"
)

// Bound is a limit or an aim.
type Bound struct {
	// Value is the bound in the case's unit. A Ratio of 1.0/15 reads "1/15".
	Value float64
	// Allocs bounds how many allocations the subject makes more than the
	// reference; negative means that they are not bounded.
	Allocs float64
}

func bound(value float64) Bound { return Bound{Value: value, Allocs: -1} }

// Outcome is what a case has shown.
type Outcome struct {
	Min, Median, Max   float64
	Values             []float64 `json:",omitempty"` // one for each round
	Subject, Reference duel.Cost
	// Note says what else a reader should know, such as the hit rate.
	Note string `json:",omitempty"`
}

// Verdict compares an outcome with the bounds.
type Verdict string

// The verdicts.
const (
	AimMet   Verdict = "aim"
	LimitMet Verdict = "limit"
	Over     Verdict = "OVER"
)

// Judge says which of the case's bounds the median keeps.
func (c *Case) Judge(o Outcome) Verdict {
	switch {
	case c.keeps(c.Aim, o):
		return AimMet
	case c.keeps(c.Limit, o):
		return LimitMet
	default:
		return Over
	}
}

func (c *Case) keeps(b Bound, o Outcome) bool {
	if b.Allocs >= 0 && o.ExtraAllocs() > b.Allocs {
		return false
	}
	if c.Unit == Throughput {
		return o.Median >= b.Value
	}
	return o.Median <= b.Value
}

// ExtraAllocs is how many allocations an operation of the subject makes more than
// one of the reference. What the background of the process allocates is a small
// part of one and rounded away.
func (o Outcome) ExtraAllocs() float64 {
	return math.Round(o.Subject.Allocs) - math.Round(o.Reference.Allocs)
}

func outcomeOf(values []float64) Outcome {
	return Outcome{
		Min:    slices.Min(values),
		Median: duel.Median(values),
		Max:    slices.Max(values),
		Values: values,
	}
}

// contest is a case that is set up.
type contest struct {
	subject, reference duel.Run
	// check says after the duel whether the subject did what the case is about,
	// and what is worth noting. Nil means that there is nothing to check.
	check func() (note string, err error)
	close func()
	// waits says that both sides do nothing but wait for a server, one operation
	// after the other: where the scheduler puts the server is then most of it.
	waits bool
	// pools are the databases that get new connections before each round.
	pools []*sql.DB
	// warm is how many operations a new connection needs until it works as it
	// will go on to.
	warm int
}

// reconnect closes all idle connections: none are in use between rounds.
func (c *contest) reconnect() {
	for _, db := range c.pools {
		db.SetMaxIdleConns(-1)
		db.SetMaxIdleConns(idleConns)
	}
}

// versus returns the measuring of a case that is a duel. slice stretches the
// usual slice, for cases whose operations are long or many at a time.
func versus(unit Unit, slice float64, setUp func(context.Context, *Env) (*contest, error)) func(context.Context, *Env) (Outcome, error) {
	return func(ctx context.Context, env *Env) (Outcome, error) {
		// The operations get a context that cannot end, as by DB.QueryRow: for one
		// that can, database/sql starts a goroutine for each query, which hides
		// what the driver costs.
		c, err := setUp(context.Background(), env)
		if err != nil {
			return Outcome{}, err
		}
		defer c.close()
		plan := env.Plan
		plan.Slice = time.Duration(float64(plan.Slice) * slice)
		if unit == Throughput {
			plan.Quantile = 0.5 // a mix has hits and misses, quiet or not
		}
		if c.pools != nil {
			plan.Between, plan.Warm = c.reconnect, c.warm
		}
		if c.waits {
			back, err := env.apart()
			if err != nil {
				return Outcome{}, err
			}
			defer back()
		}
		r, err := duel.Fight(ctx, c.subject, c.reference, plan)
		if err != nil {
			return Outcome{}, err
		}
		values := r.Ratios
		if unit == Throughput {
			values = make([]float64, len(r.Ratios))
			for i, ratio := range r.Ratios {
				values[i] = 1 / ratio
			}
		}
		o := outcomeOf(values)
		o.Subject, o.Reference = r.Subject, r.Reference
		if c.check != nil {
			if o.Note, err = c.check(); err != nil {
				return o, fmt.Errorf("%w: %w", duel.ErrNotMeasured, err)
			}
		}
		return o, nil
	}
}
