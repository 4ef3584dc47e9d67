// Package conncheck looks at a connection without using it: nothing is sent, nothing is
// read, nobody waits.
package conncheck

import (
	"net"
	"syscall"
)

// State is what can be seen of a connection on which no answer is due.
type State int

const (
	// Unknown: it is none whose socket can be looked at, or the system has no way to.
	Unknown State = iota
	// Quiet: nothing has come in. The other side is there, as far as this one has heard.
	Quiet
	// Unread: something has come in, to be read. It may be a goodbye.
	Unread
	// Ended: the other side has hung up, or the connection has failed.
	Ended
)

// Peeker looks at one connection. It must not be used by two at a time. Somebody may be
// reading from the connection, as pgx does in the background while a write takes long.
type Peeker struct {
	socket syscall.RawConn
	look   func(fd uintptr) // nil where there is nothing to look at
	seen   State
	room   [1]byte
}

// New makes a Peeker, through encryption for the socket below it.
func New(conn net.Conn) *Peeker {
	for {
		inner, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = inner.NetConn()
	}
	p := &Peeker{}
	if s, ok := conn.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			p.socket, p.look = raw, p.looker()
		}
	}
	return p
}

// State looks at the connection now. It allocates nothing.
func (p *Peeker) State() State {
	if p.look == nil {
		return Unknown
	}
	// Not Read, which waits for whoever is reading.
	if err := p.socket.Control(p.look); err != nil {
		return Ended // closed here
	}
	return p.seen
}
