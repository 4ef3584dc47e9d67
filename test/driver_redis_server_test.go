package test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// redisServer is a stand-in for Redis.
type redisServer struct{ *miniredis.Miniredis }

func runRedis(t testing.TB) *redisServer {
	t.Helper()
	return &redisServer{miniredis.RunT(t)}
}

// patient are time-outs with which a busy machine is not taken for a Redis that is
// away.
const patient = "?dial_timeout=10s&read_timeout=10s&write_timeout=10s&pool_timeout=10s"

func (s *redisServer) url() string { return "redis://" + s.Addr() + patient }

// redisDoor is another address of a Redis: pools that use different doors share
// nothing within the process, as if they were in two. It can be shut and can make
// everybody wait.
type redisDoor struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	shut   bool
	hold   chan struct{} // not nil: nothing passes until it is closed
	closed bool
	tasks  sync.WaitGroup
}

func openDoor(t testing.TB, target string) *redisDoor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &redisDoor{listener: l, target: target, open: map[net.Conn]struct{}{}}
	d.tasks.Go(d.serve)
	t.Cleanup(d.close)
	return d
}

func (d *redisDoor) url() string { return "redis://" + d.listener.Addr().String() }

func (d *redisDoor) serve() {
	for {
		in, err := d.listener.Accept()
		if err != nil {
			return
		}
		d.mu.Lock()
		refused := d.shut || d.closed
		if !refused {
			d.open[in] = struct{}{}
		}
		d.mu.Unlock()
		if refused {
			_ = in.Close()
			continue
		}
		d.tasks.Go(func() { d.pass(in) })
	}
}

func (d *redisDoor) pass(in net.Conn) {
	defer d.drop(in)
	out, err := net.DialTimeout("tcp", d.target, time.Second)
	if err != nil {
		return
	}
	defer out.Close()
	d.tasks.Go(func() {
		defer in.Close()
		_, _ = io.Copy(heldWriter{d, in}, out)
	})
	_, _ = io.Copy(heldWriter{d, out}, in)
}

// heldWriter waits while the door holds everything up.
type heldWriter struct {
	d *redisDoor
	w io.Writer
}

func (h heldWriter) Write(p []byte) (int, error) {
	h.d.mu.Lock()
	hold := h.d.hold
	h.d.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return h.w.Write(p)
}

func (d *redisDoor) drop(c net.Conn) {
	_ = c.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, c)
}

// setShut refuses new connections and ends the present ones, or allows them again.
func (d *redisDoor) setShut(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	if shut {
		for c := range d.open {
			_ = c.Close()
		}
	}
}

// setHeld stops all bytes on their way, or lets them go on.
func (d *redisDoor) setHeld(held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case held && d.hold == nil:
		d.hold = make(chan struct{})
	case !held && d.hold != nil:
		close(d.hold)
		d.hold = nil
	}
}

func (d *redisDoor) close() {
	d.setHeld(false)
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	_ = d.listener.Close()
	d.setShut(true)
	d.tasks.Wait()
}
