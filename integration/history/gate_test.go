package history_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"time"
)

// gate stands in front of the database. What names a marked write, and all that its connection says after that, is held
// up, and delivered though the client has gone; so are requests to cancel a statement.
type gate struct {
	listener net.Listener
	upstream string

	mu    sync.Mutex
	mark  []byte
	until time.Time
	held  int
}

func newGate(t *testing.T, upstream string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{listener: l, upstream: upstream}
	t.Cleanup(func() { l.Close() })
	go g.serve()
	return g
}

// hold holds up, until then, what names the mark.
func (g *gate) hold(mark string, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mark, g.until, g.held = []byte(mark), until, 0
}

// holding is the number of pieces that were held since hold.
func (g *gate) holding() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held
}

// wait returns when a piece may pass.
func (g *gate) wait(piece []byte) {
	g.mu.Lock()
	until := g.until
	wanted := time.Now().Before(until) && (bytes.Contains(piece, g.mark) || isCancel(piece))
	if wanted {
		g.held++
	}
	g.mu.Unlock()
	if wanted {
		time.Sleep(time.Until(until))
	}
}

// isCancel: a request to cancel has 16 bytes and a code of its own.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
func isCancel(piece []byte) bool {
	return len(piece) >= 8 && binary.BigEndian.Uint32(piece) == 16 && binary.BigEndian.Uint32(piece[4:]) == 1234<<16|5678
}

func (g *gate) serve() {
	for {
		down, err := g.listener.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", g.upstream)
		if err != nil {
			down.Close()
			continue
		}
		go func() {
			defer up.Close() // after the last piece
			g.pass(down, up, g.wait)
		}()
		go func() {
			defer down.Close()
			g.pass(up, down, func([]byte) {})
		}()
	}
}

func (g *gate) pass(from, to net.Conn, wait func([]byte)) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			wait(buffer[:n])
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
