package invalidation

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// asker is a Versions that knows the birth and asks nothing by itself, and a cell.
func (s *plainServer) asker(t *testing.T) (*Versions, []*Cell) {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: s.listener.Addr().String(), Protocol: 2, MaxRetries: -1, DisableIdentity: true,
		ReadTimeout: 200 * time.Millisecond, DialerRetries: 1,
	})
	v, err := Open(Config{Client: client, Namespace: "lines", OwnConnections: true})
	if err != nil {
		t.Fatal(err)
	}
	v.birth = plainBirth
	t.Cleanup(func() { v.Close(); client.Close() })
	return v, []*Cell{v.Cell("t")}
}

func (v *Versions) idleLines() int {
	v.lines.mu.Lock()
	defer v.lines.mu.Unlock()
	return len(v.lines.idle)
}

// askUntilLine asks until a line is there, and returns how often.
func askUntilLine(t *testing.T, v *Versions, cells []*Cell) {
	t.Helper()
	for begun := time.Now(); v.idleLines() == 0; time.Sleep(time.Millisecond) {
		if r, ok, err := v.askDirectly(t.Context(), nil, cells); err != nil || !ok || r.states[0].nonce != 1 {
			t.Fatalf("%+v, %v, %v", r, ok, err)
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatal("no line is opened")
		}
	}
}

func TestLineAnswersAsGoRedisDoes(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		through, ok, err := v.askDirectly(t.Context(), nil, cells)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		askUntilLine(t, v, cells)
		before := v.single.PoolStats().Hits + v.single.PoolStats().Misses
		for range 3 {
			on, ok, err := v.askDirectly(t.Context(), nil, cells)
			if err != nil || !ok || on.header != through.header || on.states[0] != through.states[0] {
				t.Errorf("%+v, %v, %v; through go-redis %+v", on, ok, err, through)
			}
		}
		if after := v.single.PoolStats().Hits + v.single.PoolStats().Misses; after != before {
			t.Errorf("go-redis was asked %d times", after-before)
		}
		if s.direct && s.singly.Load() == 0 {
			t.Error("it was asked in a transaction")
		}
		s.role.Store("slave")
		if r, ok, err := v.askDirectly(t.Context(), nil, cells); ok || err != nil {
			t.Errorf("a replica was believed: %+v, %v", r, err)
		}
	})
}

func TestDeadLineIsNoError(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		askUntilLine(t, v, cells)
		s.hangUp()
		asked := s.asked.Load()
		if _, ok, err := v.askDirectly(t.Context(), nil, cells); err != nil || !ok {
			t.Errorf("%v, %v", ok, err)
		}
		if s.asked.Load() != asked+1 {
			t.Error("the question was not asked again")
		}
	})
}

// A line may die between the look at it and the answer.
func TestLineThatDiesOverTheQuestion(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		askUntilLine(t, v, cells)
		s.rude.Store(true)
		asked := s.asked.Load()
		if _, ok, err := v.askDirectly(t.Context(), nil, cells); err != nil || !ok {
			t.Errorf("%v, %v", ok, err)
		}
		if s.asked.Load() != asked+2 {
			t.Error("the question was not asked again")
		}
	})
}

// An answer with something behind it may be the answer to another question, and so may the next.
func TestLineThatSaysTooMuch(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		for _, more := range []string{"+OK\r\n", "*0\r\n", "$5\r\nhel", "x"} {
			askUntilLine(t, v, cells)
			s.more.Store(more)
			asked := s.asked.Load()
			if r, ok, err := v.askDirectly(t.Context(), nil, cells); err != nil || !ok || r.states[0].nonce != 1 {
				t.Errorf("%q: %+v, %v, %v", more, r, ok, err)
			}
			if n := s.asked.Load() - asked; n != 2 {
				t.Errorf("%q: asked %d times, want once more, not on that line", more, n)
			}
			if n := v.idleLines(); n != 0 {
				t.Errorf("%q: the line is kept", more)
			}
		}
	})
}

// The direct question does not look at the line before: nothing that stands in front of its answer is taken for it.
func TestLineOnWhichSomethingWaits(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		old := "*7\r\n" + bulk(plainBirth) + bulk("00000000000000ff") + bulk(plainHome) + bulk("42") + "$-1\r\n$-1\r\n" +
			bulk("0000000000000bad") + bulk("role:master\r\nmaster_replid:"+plainHome+"\r\n")
		for _, before := range []string{"-ERR timeout\r\n", "+OK\r\n", "$-1\r\n", "*0\r\n", ">1\r\n+x\r\n", old, "*2\r\n" + old, "+OK\r\n+QUEUED\r\n+QUEUED\r\n"} {
			askUntilLine(t, v, cells)
			v.lines.mu.Lock()
			spoilt := v.lines.idle[0]
			v.lines.mu.Unlock()
			s.say(before)
			time.Sleep(10 * time.Millisecond)
			if r, ok, err := v.askDirectly(t.Context(), nil, cells); err != nil || ok && r.states[0].nonce != 1 {
				t.Errorf("%q: %+v, %v, %v", before, r, ok, err)
			}
			v.lines.mu.Lock()
			kept := slices.Contains(v.lines.idle, spoilt) // another one may be there by now
			v.lines.mu.Unlock()
			if kept {
				t.Errorf("%q: the line is kept", before)
			}
		}
	})
}

// Nobody waits for a fence's answer before the change is made. If the process ended with it, and the line had ended before,
// nothing would be left that tells the others.
func TestNoFenceOnALineThatHasEnded(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*plainServer){
		"ended":    (*plainServer).hangUp,
		"answered": func(s *plainServer) { s.say("*1\r\n$2\r\nno\r\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servePlain(t, false)
			v, cells := s.asker(t)
			askUntilLine(t, v, cells)
			v.loaded.Store(true)
			v.started = true // no poll, which would have another line opened
			l := v.lines.idle[0]
			spoil(s)
			for begun := time.Now(); l.quiet(); time.Sleep(time.Millisecond) {
				if time.Since(begun) > 10*time.Second {
					t.Fatal("nothing is seen of it")
				}
			}
			f := &Fence{v: v, id: "f"}
			args, err := f.take([]string{"t"}, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := v.submit(t.Context(), &order{op: "fence", args: args, fence: f}); got.turn != alone {
				t.Errorf("the fence counts as told: %v", got.turn)
			} else {
				v.tasks.Done()
			}
			v.lines.mu.Lock()
			kept := slices.Contains(v.lines.idle, l) // another one is being opened
			v.lines.mu.Unlock()
			if kept {
				t.Error("the line is kept")
			}
			_ = f.Release(t.Context(), RolledBack) // the server knows no script
		})
	}
}

func TestSilentLineIsTheLast(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		askUntilLine(t, v, cells)
		s.silent.Store(true)
		for range 2 { // on the line, then through go-redis
			asked := s.asked.Load()
			if _, _, err := v.askDirectly(t.Context(), nil, cells); !isTimeout(err) {
				t.Errorf("a silent server: %v", err)
			}
			if n := s.asked.Load() - asked; n != 1 {
				t.Errorf("the caller waited %d times", n)
			}
		}
		time.Sleep(20 * time.Millisecond)
		if n := v.idleLines(); n != 0 {
			t.Errorf("%d lines to a server that is silent", n)
		}
		s.silent.Store(false)
		askUntilLine(t, v, cells)
		ctx, cancel := context.WithTimeout(t.Context(), 0)
		defer cancel()
		if _, _, err := v.askDirectly(ctx, nil, cells); !errors.Is(err, context.DeadlineExceeded) && !isTimeout(err) {
			t.Errorf("a context that has ended: %v", err)
		}
	})
}

func TestSentinelsClientGetsNoLine(t *testing.T) {
	t.Parallel()
	client := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}})
	defer client.Close()
	dialled := false
	client.Options().Dialer = func(context.Context, string, string) (net.Conn, error) {
		dialled = true
		return nil, errors.New("no")
	}
	if l := openLine(t.Context(), client); l != nil || dialled {
		t.Error("a line was opened past Sentinel")
	}
}

func TestOnlyADirectLineIsKnownByItsAddress(t *testing.T) {
	t.Parallel()
	here := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1234}
	there := &net.TCPAddr{IP: net.IPv6loopback, Port: 1234}
	for _, c := range []struct {
		info  string
		local net.Addr
		want  bool
	}{
		{"id=3 addr=127.0.0.1:1234 laddr=127.0.0.1:6379 fd=8 name=\n", here, true},
		{"id=3 addr=[::1]:1234 laddr=[::1]:6379", there, true},
		{"id=3 addr=127.0.0.1:12345 laddr=127.0.0.1:1234", here, false},
		{"id=3 laddr=127.0.0.1:1234 addr=10.0.0.1:1234", here, false},
		{"id=3 addr=127.0.0.1:0 name=addr=127.0.0.1:1234", here, false},
		{"", here, false}, // Redis refuses
		{"addr=", nil, false},
		{"addr=/run/redis.sock:0", &net.UnixAddr{Name: "/run/redis.sock:0", Net: "unix"}, false}, // of which there may be a second one
	} {
		if got := knowsAs(c.info, c.local); got != c.want {
			t.Errorf("%q from %v: %v", c.info, c.local, got)
		}
	}
}
