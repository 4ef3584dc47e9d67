package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver beside the cache

	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// Counts are the reads of a *sql.DB by where they were answered.
type Counts struct {
	L1, L2, Misses, Bypasses uint64
	X                        any
}

// Opener opens a database through a cache. The function that it returns beside
// counts that database's reads. Where listen is not empty, it is the address at
// which to show what the cache does, until the process ends.
type Opener func(dsn, listen string) (*sql.DB, func() Counts, error)

// Serve runs an application process: it does what the parent asks for on in, and
// returns when in ends, which it also does when the parent dies.
func Serve(in io.Reader, out io.Writer, open Opener) error {
	// A Ctrl-C reaches every process of the terminal. The parent decides.
	signal.Ignore(syscall.SIGINT)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	app := &App{ctx: ctx, open: open, sightings: newSightings()}
	server := rpc.NewServer()
	if err := server.Register(app); err != nil {
		return err
	}
	server.ServeCodec(jsonrpc.NewServerCodec(&pipe{in: in, out: out, ended: cancel}))
	return app.close()
}

// pipe makes one connection of standard input and output. ended is called at the
// end of the input, so that calls under way end too.
type pipe struct {
	in    io.Reader
	out   io.Writer
	ended func()
}

func (p *pipe) Read(b []byte) (int, error) {
	n, err := p.in.Read(b)
	if err != nil {
		p.ended()
	}
	return n, err
}

func (p *pipe) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p *pipe) Close() error                { return nil }

// App is an application process as its parent sees it. The exported methods are
// those of net/rpc.
type App struct {
	ctx       context.Context // ends with the parent
	open      Opener
	setup     Setup
	cached    *shop.Asker
	direct    *shop.Asker
	counts    func() Counts
	databases []*sql.DB
	sightings *sightings
	shown     progress

	asking sync.Mutex // one read at a time
	last   Counts     // after the last read
}

// progress is what App.Progress reports, updated by one reader.
type progress struct{ plain, l1, l2, origin, checked atomic.Uint64 }

// Setup tells a process what it is.
type Setup struct {
	// Process is its number, from 0.
	Process int
	// Listen is handed to the Opener.
	Listen string
	// CachedDSN is opened with the Opener, DirectDSN with pgx.
	CachedDSN, DirectDSN string
	Shop                 shop.Shop
	// Bound is how long after a change the other process may give the old
	// answer.
	Bound time.Duration
}

// None is the argument or the answer of a call that has none.
type None struct{}

// Open must be called first, once.
func (a *App) Open(s Setup, _ *None) error {
	a.setup = s
	cached, counts, err := a.open(s.CachedDSN, s.Listen)
	if err != nil {
		return err
	}
	a.databases = append(a.databases, cached)
	direct, err := sql.Open("pgx", s.DirectDSN)
	if err != nil {
		return err
	}
	a.databases = append(a.databases, direct)
	direct.SetMaxIdleConns(checkers)
	a.cached, a.direct, a.counts = s.Shop.Asker(cached), s.Shop.Asker(direct), counts
	return errors.Join(cached.PingContext(a.ctx), direct.PingContext(a.ctx))
}

func (a *App) close() error {
	var errs []error
	for _, db := range a.databases {
		errs = append(errs, db.Close())
	}
	return errors.Join(errs...)
}

// Progress is how far the call under way has come.
type Progress struct{ Plain, L1, L2, Origin, Checked uint64 }

// Progress may be called at any time.
func (a *App) Progress(_ None, p *Progress) error {
	*p = Progress{a.shown.plain.Load(), a.shown.l1.Load(), a.shown.l2.Load(), a.shown.origin.Load(), a.shown.checked.Load()}
	return nil
}

// Change makes a change through the cache and says when.
func (a *App) Change(c shop.Change, s *Span) error {
	s.Sent = now()
	err := a.cached.Apply(a.ctx, c)
	s.Acked = now()
	return err
}

// Warm asks a question until L1 answers it, and returns the answer.
func (a *App) Warm(q shop.Question, answer *shop.Answer) error {
	limit := time.Now().Add(5 * time.Second)
	for time.Now().Before(limit) {
		got, err := a.ask(q)
		if err != nil {
			return err
		}
		if *answer = got.answer; got.level == l1 {
			return nil
		}
		time.Sleep(time.Millisecond) // a write of a moment ago may still be on its way here
	}
	return fmt.Errorf("mlcache: process %d got no answer from memory within 5s", a.setup.Process+1)
}

// Ask asks once.
func (a *App) Ask(q shop.Question, answer *shop.Answer) error {
	got, err := a.ask(q)
	*answer = got.answer
	return err
}

// Awaited is what a process saw while it waited for a new answer.
type Awaited struct {
	// Started is when the first read began.
	Started moment
	// Seen is when the first read with the new answer had ended; zero if none
	// came within the limit.
	Seen moment
}

// Await is what to wait for: an answer to Question that is not Old.
type Await struct {
	Question shop.Question
	Old      shop.Answer
	Limit    time.Duration
}

// pollPause is the time between two reads of Await, and so the precision of its
// result.
const pollPause = 50 * time.Microsecond

// Await asks again and again until the answer is another one.
func (a *App) Await(w Await, seen *Awaited) error {
	*seen = Awaited{Started: now()}
	for moment(w.Limit) > now()-seen.Started && a.ctx.Err() == nil {
		got, err := a.ask(w.Question)
		if err != nil {
			return err
		}
		if got.answer != w.Old {
			seen.Seen = got.end
			return nil
		}
		time.Sleep(pollPause)
	}
	return a.ctx.Err()
}

// Verify compares everything that this process was answered with the database.
// It must come last.
type Verify struct{ Pasts []Past }

// Verified is the result.
type Verified struct {
	// Answers is how many answers were compared, Questions to how many different
	// questions.
	Answers, Questions uint64
	// Wrong answers, and the first few of them in words.
	Wrong    uint64
	Mistakes []string
	// Oldest is the longest time after its end that an answer was given.
	Oldest time.Duration
}

const (
	checkers    = 4
	mistakesMax = 5
)

// Verify asks the database every question that this process asked, once.
func (a *App) Verify(v Verify, result *Verified) error {
	pasts := make(map[shop.Question][]Version, len(v.Pasts))
	for _, p := range v.Pasts {
		pasts[p.Question] = p.Versions
	}
	questions := a.sightings.questions()
	result.Questions = uint64(len(questions))
	var next atomic.Int64
	var group sync.WaitGroup
	var mu sync.Mutex // guards result and failed
	var failed error
	for range checkers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(questions) {
					return
				}
				last, _, err := a.direct.Ask(a.ctx, questions[i])
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					a.verify(questions[i], last, pasts[questions[i]], result)
				}
				stop := failed != nil
				mu.Unlock()
				if stop {
					return
				}
				a.shown.checked.Add(1)
			}
		})
	}
	group.Wait()
	return failed
}

// verify judges the answers to one question, given what the database says now.
func (a *App) verify(q shop.Question, last shop.Answer, versions []Version, result *Verified) {
	if len(versions) == 0 {
		versions = []Version{{Answer: last}}
	}
	wrong := func(reads uint64, why string) {
		result.Wrong += reads
		if len(result.Mistakes) < mistakesMax {
			result.Mistakes = append(result.Mistakes, fmt.Sprintf("process %d, %v: %s", a.setup.Process+1, q, why))
		}
	}
	if versions[len(versions)-1].Answer != last {
		wrong(1, "the database's answer changed although nothing changed it")
	}
	for _, seen := range a.sightings.of(q) {
		result.Answers += seen.reads
		v, age := judge(seen, versions, a.setup.Process, a.setup.Bound)
		if v != right {
			wrong(seen.reads, string(v))
		}
		result.Oldest = max(result.Oldest, age)
	}
}
