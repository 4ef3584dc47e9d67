package invalidation

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// socketWrites tells when a command has been handed to the operating system. From then on the death of this process
// cannot take the command back, which is all that a fence needs that is sent alongside a COMMIT: waiting for the answer
// would cost a round trip more.
//
// A command is known by its last argument, a mark that nobody else uses: when a write to a socket ended with it, all of
// the command was written. Where marks are not seen, because a connection was opened before the hook was added or
// because the write was cut in two just there, the caller learns of the command by its answer.
type socketWrites struct {
	count   atomic.Int64
	sent    atomic.Uint64 // bytes
	got     atomic.Uint64
	mu      sync.Mutex
	waiting map[string]chan struct{}
}

const markSize = 32

// expect returns a new mark and a channel that is closed once it has been written. forget must be called in the end.
func (w *socketWrites) expect() (mark string, written <-chan struct{}) {
	mark = newSeed()
	done := make(chan struct{})
	w.mu.Lock()
	if w.waiting == nil {
		w.waiting = map[string]chan struct{}{}
	}
	w.waiting[mark] = done
	w.mu.Unlock()
	w.count.Add(1)
	return mark, done
}

func (w *socketWrites) forget(mark string) {
	w.mu.Lock()
	_, found := w.waiting[mark]
	delete(w.waiting, mark)
	w.mu.Unlock()
	if found {
		w.count.Add(-1)
	}
}

// wrote looks at the end of what was written to a socket.
func (w *socketWrites) wrote(b []byte) {
	if w.count.Load() == 0 || len(b) < markSize+2 || string(b[len(b)-2:]) != "\r\n" {
		return
	}
	mark := b[len(b)-2-markSize : len(b)-2]
	w.mu.Lock()
	done, found := w.waiting[string(mark)]
	if found {
		delete(w.waiting, string(mark))
	}
	w.mu.Unlock()
	if found {
		w.count.Add(-1)
		close(done)
	}
}

// attach makes the client's connections report from now on.
func (w *socketWrites) attach(client redis.UniversalClient) {
	if many, ok := client.(interface{ OnNewNode(func(*redis.Client)) }); ok {
		many.OnNewNode(func(node *redis.Client) { node.AddHook(dialHook{w}) })
		return
	}
	client.AddHook(dialHook{w})
}

type dialHook struct{ writes *socketWrites }

var _ redis.Hook = dialHook{}

func (h dialHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		told := &toldConn{Conn: conn, writes: h.writes}
		// The client finds dead connections by looking at the socket below, where there is one.
		if raw, ok := conn.(syscall.Conn); ok {
			return struct {
				*toldConn
				syscall.Conn
			}{told, raw}, nil
		}
		return told, nil
	}
}

func (h dialHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h dialHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// toldConn reports what was written whole, and counts bytes.
type toldConn struct {
	net.Conn
	writes *socketWrites
}

func (c *toldConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.writes.sent.Add(uint64(max(n, 0)))
	if err == nil && n == len(b) {
		c.writes.wrote(b)
	}
	return n, err
}

func (c *toldConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.writes.got.Add(uint64(max(n, 0)))
	return n, err
}
