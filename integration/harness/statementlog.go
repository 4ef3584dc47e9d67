package harness

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Statement is one execution that PostgreSQL was asked for.
type Statement struct {
	SQL  string
	Conn int // which connection, counted from 1
}

// StatementLog stands between mlcache and PostgreSQL, reads the client's side of
// the protocol as it passes, and so knows every statement that PostgreSQL was
// asked to execute: a simple Query, or an Execute with the text of its Parse. A
// statement is in the log before PostgreSQL gets it, hence before the client has
// an answer; no waiting is needed to read the log.
//
// It knows the statements of its own DSN's users only, so tests do not disturb
// each other, and it works with any server, whatever that logs itself.
type StatementLog struct {
	dsn    string
	target string

	mu         sync.Mutex
	statements []Statement
	conns      map[net.Conn]bool
	accepted   int
}

// NewStatementLog returns a log in front of the DSN's server. It ends with the
// test.
func NewStatementLog(t testing.TB, dsn string) *StatementLog {
	t.Helper()
	u := parse(t, dsn)
	if mode := u.Query().Get("sslmode"); mode != "disable" {
		t.Fatalf("a statement log can only read what is not encrypted: add sslmode=disable to %s", EnvPostgres)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &StatementLog{dsn: through(u, listener.Addr()), target: withPort(u), conns: make(map[net.Conn]bool)}
	var serving sync.WaitGroup
	serving.Go(func() { l.serve(listener, &serving) })
	t.Cleanup(func() {
		listener.Close()
		l.Break()
		serving.Wait()
	})
	return l
}

func through(u *url.URL, addr net.Addr) string {
	v := *u
	v.Host = addr.String()
	return v.String()
}

func withPort(u *url.URL) string {
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "5432")
	}
	return u.Host
}

// DSN is the DSN whose statements are logged.
func (l *StatementLog) DSN() string { return l.dsn }

// Count says how often PostgreSQL was asked to execute a statement whose text
// contains the part.
func (l *StatementLog) Count(part string) int {
	n := 0
	for _, s := range l.Statements() {
		if strings.Contains(s.SQL, part) {
			n++
		}
	}
	return n
}

// Statements returns every statement so far.
func (l *StatementLog) Statements() []Statement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.statements)
}

// Connections says how many connections were opened so far.
func (l *StatementLog) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// Reset forgets the statements so far.
func (l *StatementLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statements = nil
}

// Break cuts every open connection, as a database does that is restarted. New
// ones are let through.
func (l *StatementLog) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
}

func (l *StatementLog) serve(listener net.Listener, serving *sync.WaitGroup) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.target)
		if err != nil {
			client.Close()
			continue
		}
		number := l.opened(client, server)
		serving.Go(func() {
			defer l.closed(client, server)
			p := &clientStream{log: l, number: number, prepared: make(map[string]string), portals: make(map[string]string)}
			// An error here is the end of the connection, whoever ended it.
			_ = p.copy(server, client)
		})
		serving.Go(func() {
			defer l.closed(client, server)
			_, _ = io.Copy(client, server)
		})
	}
}

func (l *StatementLog) opened(conns ...net.Conn) (number int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
	l.accepted++
	return l.accepted
}

func (l *StatementLog) closed(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		c.Close()
		delete(l.conns, c)
	}
}

func (l *StatementLog) note(number int, sql string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statements = append(l.statements, Statement{SQL: sql, Conn: number})
}

// clientStream is what one client says: PostgreSQL manual, chapter 55,
// Frontend/Backend Protocol.
type clientStream struct {
	log      *StatementLog
	number   int
	prepared map[string]string // statement name -> text
	portals  map[string]string // portal name -> text
}

var errMessage = errors.New("not a message of the protocol")

func (p *clientStream) copy(server io.Writer, client io.Reader) error {
	// The first message has no type: a startup or a cancel request.
	first, err := readMessage(client, make([]byte, 4))
	if err != nil {
		return err
	}
	if _, err := server.Write(first); err != nil {
		return err
	}
	for {
		m, err := readMessage(client, make([]byte, 5))
		if err != nil {
			return err
		}
		if err := p.read(m[0], m[5:]); err != nil {
			return err
		}
		if _, err := server.Write(m); err != nil {
			return err
		}
	}
}

// readMessage fills the header, whose last four bytes are the length of
// themselves and the body, and returns it with the body.
func readMessage(r io.Reader, header []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[len(header)-4:])
	if size < 4 || size > 1<<30 {
		return nil, errMessage
	}
	m := make([]byte, len(header)+int(size)-4)
	copy(m, header)
	_, err := io.ReadFull(r, m[len(header):])
	return m, err
}

func (p *clientStream) read(kind byte, body []byte) error {
	switch kind {
	case 'Q':
		var m pgproto3.Query
		if err := m.Decode(body); err != nil {
			return err
		}
		p.log.note(p.number, m.String)
	case 'P':
		var m pgproto3.Parse
		if err := m.Decode(body); err != nil {
			return err
		}
		p.prepared[m.Name] = m.Query
	case 'B':
		var m pgproto3.Bind
		if err := m.Decode(body); err != nil {
			return err
		}
		p.portals[m.DestinationPortal] = p.prepared[m.PreparedStatement]
	case 'E':
		var m pgproto3.Execute
		if err := m.Decode(body); err != nil {
			return err
		}
		p.log.note(p.number, p.portals[m.Portal])
	}
	return nil
}
