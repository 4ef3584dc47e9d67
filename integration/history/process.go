package history

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Process is a worker in another operating system process.
type Process struct {
	t       testing.TB
	orders  Orders
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	ready   chan struct{}
	drained chan struct{} // all that it has told has been read
	writing chan struct{} // it has begun a write
	ended   bool
}

// Start starts a worker whose operations go into the record, and returns when it
// has opened its database. Its number is the record's.
func (r *Recorder) Start(t testing.TB, o Orders) *Process {
	t.Helper()
	o.Process = r.nextProcess()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{t: t, orders: o, cmd: exec.Command(executable), ready: make(chan struct{}), drained: make(chan struct{}), writing: make(chan struct{}, 1)}
	p.cmd.Env = append(os.Environ(), envWorker+"=1")
	p.cmd.Stderr = os.Stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	go p.read(r, out)
	line, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ready:
	case <-p.drained:
		t.Fatal("a worker did not start")
	case <-time.After(time.Minute):
		t.Fatal("a worker is not ready after a minute")
	}
	return p
}

func (p *Process) read(r *Recorder, out io.Reader) {
	defer close(p.drained)
	lines := bufio.NewReaderSize(out, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return // what is left of a line was cut off by the worker's death
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			r.violation("a worker wrote %q: %v", line, err)
			return
		}
		if e.Kind == eventReady {
			close(p.ready)
			continue
		}
		r.add(p.orders.Process, e)
		if e.Kind == eventIntent {
			select {
			case p.writing <- struct{}{}:
			default:
			}
		}
	}
}

// Hold makes the worker write nothing until Write. What it has begun, it ends.
func (p *Process) Hold() { p.order(orderHold) }

// Write ends a Hold.
func (p *Process) Write() { p.order(orderWrite) }

// WriteOnce makes the worker change something at once, Hold or not, and returns
// when it has begun, or after the limit.
func (p *Process) WriteOnce(limit time.Duration) {
	p.order(orderOnce)
	p.Writing(limit)
}

func (p *Process) order(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, line); err != nil {
		p.t.Error(err)
	}
}

// Stop lets the worker end what it is about and waits for its end.
func (p *Process) Stop() {
	if p.ended {
		return
	}
	p.ended = true
	p.stdin.Close()
	select {
	case <-p.drained:
	case <-time.After(timeout + 10*time.Second):
		p.t.Errorf("process %d does not end", p.orders.Process)
		_ = p.cmd.Process.Kill()
		<-p.drained
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("process %d: %v", p.orders.Process, err)
	}
}

// Kill ends the worker between two instructions.
func (p *Process) Kill() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.cmd.Process.Kill()
	<-p.drained
	_ = p.cmd.Wait()
}

// Suspend makes the worker stand still until Resume.
func (p *Process) Suspend() { p.signal(syscall.SIGSTOP) }

// Resume ends a Suspend.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// Writing returns when the worker begins its next write, or has ended, or after
// the limit.
func (p *Process) Writing(limit time.Duration) {
	select {
	case <-p.writing:
	default:
	}
	select {
	case <-p.writing:
	case <-p.drained:
	case <-time.After(limit):
	}
}
