package harness

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

// envProcess tells the test binary that it is one of StartProcess's.
const envProcess = "MLCACHE_TEST_PROCESS"

// Process is another operating system process with one *sql.DB of its own, as a
// second copy of an application is. Its methods are for one goroutine at a time,
// as its statements run one after the other.
type Process struct {
	t        testing.TB
	cmd      *exec.Cmd
	requests *json.Encoder
	replies  *json.Decoder
}

// request and reply are one line of JSON each.
type request struct {
	Op     string // open, query, exec, begin, commit, rollback, stats, invalidate
	Driver string `json:",omitempty"`
	DSN    string `json:",omitempty"`
	SQL    string `json:",omitempty"`
	Args   []arg  `json:",omitempty"`
}

type reply struct {
	Result       Result
	RowsAffected int64
	Stats        mlcache.Stats
	// Elapsed is how long the statement took in the process.
	Elapsed time.Duration
	// Start is when the statement started, by the machine's one wall clock.
	Start time.Time
	Err   string
}

// Answer is a Result with its time.
type Answer struct {
	Result
	Start   time.Time
	Elapsed time.Duration
}

// StartProcess runs the test binary once more, as a process that waits for
// requests, and opens a DB in it. The process ends with the test.
func StartProcess(t testing.TB, driverName, dsn string, env ...string) *Process {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(executable)
	cmd.Env = append(append(os.Environ(), envProcess+"=1"), env...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, cmd: cmd, requests: json.NewEncoder(stdin), replies: json.NewDecoder(bufio.NewReader(stdout))}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT) // it may have been paused
		stdin.Close()                           // the process ends by itself at the end of its input
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait()
		}()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("process %d did not end: closing its DB hangs", cmd.Process.Pid)
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	p.must(request{Op: "open", Driver: driverName, DSN: dsn})
	return p
}

// Kill ends the process between two instructions.
func (p *Process) Kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
}

// Query runs a statement and reads its whole answer. An error of the statement
// stands in the Result.
func (p *Process) Query(query string, args ...any) Answer {
	p.t.Helper()
	r := p.must(request{Op: "query", SQL: query, Args: encodeArgs(args)})
	return Answer{Result: r.Result, Start: r.Start, Elapsed: r.Elapsed}
}

// Exec runs a statement that must succeed and returns the number of rows that it
// affected.
func (p *Process) Exec(query string, args ...any) int64 {
	p.t.Helper()
	return p.must(request{Op: "exec", SQL: query, Args: encodeArgs(args)}).RowsAffected
}

// StartExec runs a statement and waits for nothing; no request may follow before Finish has returned.
func (p *Process) StartExec(query string, args ...any) {
	p.t.Helper()
	q := request{Op: "exec", SQL: query, Args: encodeArgs(args)}
	if err := p.requests.Encode(q); err != nil {
		p.t.Fatalf("process %d: %s: %v", p.cmd.Process.Pid, q.Op, err)
	}
}

// Finish waits for the end of what StartExec began. It returns the statement's error, empty for none.
func (p *Process) Finish() string {
	p.t.Helper()
	var r reply
	if err := p.replies.Decode(&r); err != nil {
		p.t.Fatalf("process %d: %v", p.cmd.Process.Pid, err)
	}
	return r.Err
}

// Pause stops the process, between two instructions, until Resume.
func (p *Process) Pause() { p.t.Helper(); p.signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (p *Process) Resume() { p.t.Helper(); p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// Begin starts a transaction, in which the following statements run.
func (p *Process) Begin() { p.t.Helper(); p.must(request{Op: "begin"}) }

// Commit ends the transaction and keeps what it has written.
func (p *Process) Commit() { p.t.Helper(); p.must(request{Op: "commit"}) }

// Rollback ends the transaction and undoes what it has written.
func (p *Process) Rollback() { p.t.Helper(); p.must(request{Op: "rollback"}) }

// Invalidate is mlcache.Handle.Invalidate in the process.
func (p *Process) Invalidate(tables ...string) {
	p.t.Helper()
	args := make([]any, len(tables))
	for i, t := range tables {
		args[i] = t
	}
	p.must(request{Op: "invalidate", Args: encodeArgs(args)})
}

// Stats is mlcache.Handle.Stats in the process.
func (p *Process) Stats() mlcache.Stats {
	p.t.Helper()
	return p.must(request{Op: "stats"}).Stats
}

func (p *Process) must(q request) reply {
	p.t.Helper()
	if err := p.requests.Encode(q); err != nil {
		p.t.Fatalf("process %d: %s: %v", p.cmd.Process.Pid, q.Op, err)
	}
	var r reply
	if err := p.replies.Decode(&r); err != nil {
		if err == io.EOF {
			p.t.Fatalf("process %d ended during %s %s", p.cmd.Process.Pid, q.Op, q.SQL)
		}
		p.t.Fatalf("process %d: %s: %v", p.cmd.Process.Pid, q.Op, err)
	}
	if r.Err != "" {
		p.t.Fatalf("process %d: %s %s: %s", p.cmd.Process.Pid, q.Op, q.SQL, r.Err)
	}
	return r
}
