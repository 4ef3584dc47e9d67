package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os/exec"
	"sync"
	"time"
)

// remote is an application process.
type remote struct {
	number int
	cmd    *exec.Cmd
	client *rpc.Client
	stderr *tail
}

// startRemote runs command, which must call Serve, and opens its databases.
func startRemote(ctx context.Context, command []string, s Setup) (*remote, error) {
	cmd := exec.Command(command[0], command[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	r := &remote{number: s.Process, cmd: cmd, stderr: &tail{}}
	cmd.Stderr = r.stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.client = jsonrpc.NewClient(struct {
		io.Reader
		io.WriteCloser
	}{out, in})
	if err := r.call(ctx, "Open", s, &None{}); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// call runs one of App's methods to its end, or until ctx ends; then the process
// must be closed.
func (r *remote) call(ctx context.Context, method string, args, reply any) error {
	call := r.client.Go("App."+method, args, reply, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if call.Error == nil {
		return nil
	}
	if said := r.stderr.String(); said != "" {
		return fmt.Errorf("mlcache: application process %d: %w: %s", r.number+1, call.Error, said)
	}
	return fmt.Errorf("mlcache: application process %d: %w", r.number+1, call.Error)
}

// close ends the process: it stops when its input ends, and is killed when it
// does not within three seconds.
func (r *remote) close() error {
	_ = r.client.Close() // closes the pipes; an error means that they broke before
	killer := time.AfterFunc(3*time.Second, func() { _ = r.cmd.Process.Kill() })
	defer killer.Stop()
	if err := r.cmd.Wait(); err != nil {
		return fmt.Errorf("mlcache: application process %d: %w: %s", r.number+1, err, r.stderr)
	}
	return nil
}

// tail keeps the first kilobytes of what a process says on standard error.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

const tailMax = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := tailMax - t.b.Len(); room > 0 {
		t.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.b.Bytes()))
}

// fleet is both processes.
type fleet []*remote

// each calls a method on every process at the same time.
func (f fleet) each(ctx context.Context, method string, args func(i int) any, reply func(i int) any) error {
	errs := make([]error, len(f))
	var group sync.WaitGroup
	for i, r := range f {
		group.Go(func() { errs[i] = r.call(ctx, method, args(i), reply(i)) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// progress adds up how far the processes are.
func (f fleet) progress(ctx context.Context) (Progress, error) {
	parts := make([]Progress, len(f))
	err := f.each(ctx, "Progress", func(int) any { return None{} }, func(i int) any { return &parts[i] })
	var sum Progress
	for _, p := range parts {
		sum.Plain += p.Plain
		sum.L1 += p.L1
		sum.L2 += p.L2
		sum.Origin += p.Origin
		sum.Checked += p.Checked
	}
	return sum, err
}

func (f fleet) close() error {
	errs := make([]error, len(f))
	var group sync.WaitGroup
	for i, r := range f {
		group.Go(func() { errs[i] = r.close() })
	}
	group.Wait()
	return errors.Join(errs...)
}
