package invalidation

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/mlcache/mlcache/internal/conncheck"
)

// line is a connection for versions alone. go-redis dials and greets it, and then leaves it to us: a pipeline of go-redis
// costs more than Redis takes to answer, and its commands cannot be written in one goroutine and answered in another.
type line struct {
	client *redis.Client // of this one connection
	held   *redis.Conn   // keeps it from client's pool
	conn   net.Conn
	peek   *conncheck.Peeker // of conn
	read   time.Duration     // time-out
	used   time.Time
	direct bool // nothing is between here and the server

	sent   []byte
	got    []byte
	heard  respReader // the rest of got
	values [][]byte   // parts of got
}

// lines keeps the lines to one server. There are none where the client does not speak to a server of one address, or where
// something other than a command may be written to its connections; and none, until go-redis has reached the server again, after one has
// timed out: whether to wait for Redis is for the client to say.
type lines struct {
	mu     sync.Mutex
	idle   []*line
	open   int
	dial   bool // one is being opened
	ok     bool // the server was reached since the last time-out
	closed bool
}

const (
	// maxLines is how many lines there may be; who finds none free asks through go-redis.
	maxLines = 8
	// lineIdle is how long a line may have been silent: something in between may have forgotten it.
	lineIdle = 30 * time.Second
	// maxKept bounds what a line keeps of long questions and answers.
	maxKept = 16 << 10
	// maxAnswer is more than any answer of this protocol.
	maxAnswer = 16 << 20
)

// get returns a line, or nil, and has one opened then, for the next who asks. look says that it must not have ended, and that
// nothing may have come in on it, as far as can be seen. Who asks the direct question in a transaction finds that out by the
// answer: nothing in front of it can be taken for it.
func (p *lines) get(v *Versions, look bool) *line {
	if !v.cfg.OwnConnections || v.single == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		if time.Since(l.used) < lineIdle && (!look && !l.direct || l.quiet()) {
			return l
		}
		// The others have been idle for longer, or are new lines to a server that ends them.
		p.open -= n
		closeLines(append(p.idle, l))
		p.idle = nil
	}
	if p.ok && !p.dial && !p.closed && p.open < maxLines {
		p.dial = true
		p.open++
		v.tasks.Go(func() { p.add(v) })
	}
	return nil
}

func (p *lines) add(v *Versions) {
	l := openLine(v.ctx, v.single)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dial = false
	if l == nil {
		p.open--
		p.ok = false
		return
	}
	p.keep(l)
}

func (p *lines) put(l *line) {
	if cap(l.sent) > maxKept || cap(l.got) > maxKept || cap(l.values) > maxKept/16 {
		l.sent, l.got, l.values = nil, nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keep(l)
}

// keep is called with p.mu held.
func (p *lines) keep(l *line) {
	if p.closed {
		p.open--
		l.close()
		return
	}
	p.idle = append(p.idle, l)
}

// drop closes a line that has failed, and after a time-out the idle ones with it. It returns the error if that was a
// time-out, and else nil: there is time left to ask again.
func (p *lines) drop(l *line, err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	l.close()
	if !isTimeout(err) {
		return nil
	}
	p.ok = false
	p.open -= len(p.idle)
	closeLines(p.idle)
	p.idle = nil
	return err
}

// reached is told when go-redis has had an answer.
func (p *lines) reached() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ok = true
}

// rest closes the idle lines. After the last time there are no more.
func (p *lines) rest(last bool) {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.open -= len(idle)
	p.closed = p.closed || last
	p.mu.Unlock()
	closeLines(idle)
}

func closeLines(list []*line) {
	for _, l := range list {
		l.close()
	}
}

// openLine returns nil where that fails, or must not be.
func openLine(ctx context.Context, client *redis.Client) *line {
	o := *client.Options()
	// A client of Sentinel closes its connections when there is another master. It would not know of this one.
	const ofSentinel = "FailoverClient"
	if o.Addr == ofSentinel || o.StreamingCredentialsProvider != nil || o.Limiter != nil || o.OnConnect != nil {
		return nil
	}
	l := &line{read: o.ReadTimeout}
	dial := o.Dialer
	o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		l.conn = conn
		return conn, err
	}
	o.PoolSize, o.MinIdleConns, o.MaxIdleConns, o.MaxRetries, o.DialerRetries = 1, 0, 1, -1, 1
	o.ConnMaxLifetime, o.ConnMaxIdleTime = -1, -1
	o.ClientSideCacheConfig, o.ClientSideCache = nil, nil
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	l.client = redis.NewClient(&o)
	l.held = l.client.Conn()
	if err := l.held.Ping(ctx).Err(); err != nil || l.conn == nil {
		l.close()
		return nil
	}
	l.peek, l.used = conncheck.New(l.conn), time.Now()
	info, _ := l.held.Do(ctx, "client", "info").Text() // Redis 6.2
	l.direct = knowsAs(info, l.conn.LocalAddr())
	return l
}

// knowsAs reports whether a server that says this of a connection sees it come from this address: then nobody has taken
// the connection and opened another one, as a proxy does. Addresses that a network has translated differ, too.
func knowsAs(info string, local net.Addr) bool {
	if local == nil || local.Network() != "tcp" {
		return false
	}
	return slices.Contains(strings.Fields(info), "addr="+local.String())
}

func (l *line) close() {
	_ = l.held.Close() // nothing is under way
	_ = l.client.Close()
}

// quiet reports whether nothing has come in since the last answer, as far as can be seen: neither the end of the connection,
// with which a fence would be lost that nobody waits for, nor what would be taken for the answer to the next question.
func (l *line) quiet() bool {
	switch l.peek.State() {
	case conncheck.Ended, conncheck.Unread:
		return false
	}
	return true
}

// write sends what is in l.sent. The answers must come in the same time.
func (l *line) write(ctx context.Context) error {
	now := time.Now()
	var until time.Time
	if l.read > 0 {
		until = now.Add(l.read)
	}
	if d, ok := ctx.Deadline(); ok && (until.IsZero() || d.Before(until)) {
		until = d
	}
	if err := l.conn.SetDeadline(until); err != nil {
		return err
	}
	l.used = now
	_, err := l.conn.Write(l.sent)
	return err
}

// receive reads so many answers, and no more, into l.heard.
func (l *line) receive(answers int) error {
	got := slices.Grow(l.got[:0], 2048)
	for seen := 0; ; {
		n, err := l.conn.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if err != nil {
			return err
		}
		rest := respReader(got[seen:])
		for answers > 0 && rest.skip() {
			answers--
		}
		seen = len(got) - len(rest)
		switch {
		case answers == 0 && len(rest) == 0:
			l.got, l.heard = got, got
			return nil
		case answers == 0 || len(got) > maxAnswer:
			return errReply
		}
		got = slices.Grow(got, 512)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
