package invalidation

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// plainServer is a master that knows the direct question and no script. It answers a byte at a time, so that no read gets
// a whole answer.
type plainServer struct {
	listener net.Listener
	silent   atomic.Bool
	rude     atomic.Bool  // hangs up instead of the next answer to a direct question
	more     atomic.Value // what it sends behind the next answer, in the same breath
	role     atomic.Value
	asked    atomic.Int64 // direct questions
	home     atomic.Value // the server's identity, as it says
	nonce    atomic.Value // of the only scope
	confirms atomic.Int64 // short questions
	direct   bool         // it tells whose connection it is
	singly   atomic.Int64 // questions without a transaction

	mu    sync.Mutex
	conns []net.Conn
	tasks sync.WaitGroup
}

const (
	plainBirth = "aaaaaaaaaaaaaaaa"
	plainHome  = "f00d"
)

// onBothLines runs a test over lines that lead to the server itself, and over some of which that is not known.
func onBothLines(t *testing.T, test func(*testing.T, *plainServer)) {
	for name, direct := range map[string]bool{"direct": true, "in between": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servePlain(t, direct)
			test(t, s)
			if n := s.singly.Load(); n > 0 && !direct {
				t.Errorf("%d questions without a transaction", n)
			}
		})
	}
}

func servePlain(t *testing.T, direct bool) *plainServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &plainServer{listener: listener, direct: direct}
	s.role.Store("master")
	s.home.Store(plainHome)
	s.nonce.Store("0000000000000001")
	s.more.Store("")
	s.tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.tasks.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.hangUp()
		s.tasks.Wait()
	})
	return s
}

func (s *plainServer) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	s.conns = nil
}

// say sends what nobody has asked for.
func (s *plainServer) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_, _ = io.WriteString(c, text) // some are closed
	}
}

func (s *plainServer) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	short, queued := false, false
	for {
		args, err := readCommand(in)
		if err != nil {
			return
		}
		answer, last := "-ERR unknown command\r\n", false
		hash := func() string {
			const epoch = "00000000000000ff"
			if short {
				return "*2\r\n" + bulk(epoch) + bulk(s.nonce.Load().(string))
			}
			return "*7\r\n" + bulk(plainBirth) + bulk(epoch) + bulk(s.home.Load().(string)) + bulk("42") + "$-1\r\n$-1\r\n" + bulk(s.nonce.Load().(string))
		}
		info := func() string {
			return bulk(fmt.Sprintf("role:%s\r\nmaster_replid:%s\r\n", s.role.Load(), s.home.Load()))
		}
		count := func() {
			if short {
				s.confirms.Add(1)
			} else {
				s.asked.Add(1)
			}
		}
		switch strings.ToLower(args[0]) {
		case "ping":
			answer = "+PONG\r\n"
		case "client":
			if s.direct {
				answer = bulk("id=3 addr=" + conn.RemoteAddr().String() + " laddr=" + conn.LocalAddr().String() + " fd=8")
			}
		case "multi":
			answer, queued = "+OK\r\n", true
		case "hmget":
			short = len(args) == 4
			if answer = "+QUEUED\r\n"; !queued {
				answer = hash()
			}
		case "info":
			if answer = "+QUEUED\r\n"; !queued {
				count()
				s.singly.Add(1)
				answer, last = info(), true
			}
		case "exec":
			count()
			answer, last, queued = "*2\r\n"+hash()+info(), true, false
		}
		if s.silent.Load() {
			continue
		}
		if last {
			if s.rude.CompareAndSwap(true, false) {
				return
			}
			if more := s.more.Swap("").(string); more != "" {
				if _, err := io.WriteString(conn, answer+more); err != nil {
					return
				}
				continue
			}
		}
		for i := range answer {
			if _, err := conn.Write([]byte(answer[i : i+1])); err != nil {
				return
			}
		}
	}
}

func readCommand(in *bufio.Reader) (args []string, err error) {
	number := func() (n int) {
		line, e := in.ReadString('\n')
		if err = e; err == nil {
			n, err = strconv.Atoi(strings.TrimSpace(line[1:]))
		}
		return n
	}
	for range number() {
		b := make([]byte, number()+2)
		for i := range b {
			if b[i], err = in.ReadByte(); err != nil {
				return nil, err
			}
		}
		args = append(args, string(b[:len(b)-2]))
	}
	return args, err
}
