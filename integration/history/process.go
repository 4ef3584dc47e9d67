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
	stopped bool
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
func (p *Process) Hold() { p.order(order{Do: orderHold}) }

// Write ends a Hold.
func (p *Process) Write() { p.order(order{Do: orderWrite}) }

// WriteOnce makes the worker change the register at once, Hold or not, and returns
// when it has begun, or after the limit.
func (p *Process) WriteOnce(register int, limit time.Duration) {
	p.order(order{Do: orderOnce, Register: register})
	p.Writing(limit)
}

// Move says to a worker that roams that names stand for the tables of the tenant from now on, or of public.
func (p *Process) Move(tenant bool) { p.order(order{Do: orderPath, Tenant: tenant}) }

// WriteMarked is WriteOnce by a write whose name begins with the mark and whose context ends after d; 0 for not.
func (p *Process) WriteMarked(register int, limit time.Duration, mark string, d time.Duration) {
	p.order(order{Do: orderOnce, Register: register, Mark: mark, For: d})
	p.Writing(limit)
}

// WriteAndKeep makes the worker change the register in a transaction that stays open for d.
func (p *Process) WriteAndKeep(register int, limit, d time.Duration) {
	p.order(order{Do: orderKeep, Register: register, For: d})
	p.Writing(limit)
}

func (p *Process) order(o order) {
	p.t.Helper()
	line, err := json.Marshal(o)
	if err == nil {
		_, err = p.stdin.Write(append(line, '\n'))
	}
	if err != nil {
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

// Ended reports whether the worker was stopped or killed.
func (p *Process) Ended() bool { return p.ended }

// Suspend makes the worker stand still until Resume.
func (p *Process) Suspend() { p.signal(syscall.SIGSTOP); p.stopped = true }

// Resume ends a Suspend.
func (p *Process) Resume() { p.signal(syscall.SIGCONT); p.stopped = false }

// Continue is Resume if the worker stands still.
func (p *Process) Continue() {
	if p.stopped && !p.ended {
		p.Resume()
	}
}

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
