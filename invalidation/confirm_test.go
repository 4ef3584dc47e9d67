package invalidation

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const confirmedInfo = "role:master\r\nmaster_replid:f00d\r\n"

// whatIsAsked are the cells and versions of the tests below: the epoch, and two scopes.
func whatIsAsked() (is *verified, epoch *Cell, cells []*Cell, nonces []uint64) {
	epoch = &Cell{}
	return &verified{epoch: 255, identity: "f00d"}, epoch, []*Cell{{}, epoch, {}}, []uint64{1, 255, 2}
}

func TestOnlyWhatIsTheSameConfirms(t *testing.T) {
	t.Parallel()
	const epoch, one, two = "00000000000000ff", "0000000000000001", "0000000000000002"
	for _, c := range []struct {
		what, answer  string
		same, trusted bool
	}{
		{"the same", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one) + bulk(two) + bulk(confirmedInfo), true, true},
		{"a fence that was released before it came", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one+";!x:9") + bulk(two) + bulk(confirmedInfo), true, true},
		{"another epoch", "*2\r\n*3\r\n" + bulk("00000000000000fe") + bulk(one) + bulk(two) + bulk(confirmedInfo), false, true},
		{"no hash", "*2\r\n*3\r\n$-1\r\n$-1\r\n$-1\r\n" + bulk(confirmedInfo), false, true},
		{"another version of the first", "*2\r\n*3\r\n" + bulk(epoch) + bulk(two) + bulk(two) + bulk(confirmedInfo), false, true},
		{"another version of the last", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one) + bulk(one) + bulk(confirmedInfo), false, true},
		{"no version", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one) + "$-1\r\n" + bulk(confirmedInfo), false, true},
		{"a fence", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one+";x:9") + bulk(two) + bulk(confirmedInfo), false, true},
		{"another server", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one) + bulk(two) + bulk("role:master\r\nmaster_replid:beef\r\n"), false, true},
		{"a replica", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one) + bulk(two) + bulk("role:slave\r\nmaster_replid:f00d\r\n"), false, false},
		{"no word of the server", "*2\r\n*3\r\n" + bulk(epoch) + bulk(one) + bulk(two) + "$-1\r\n", false, false},
		{"a version too few", "*2\r\n*2\r\n" + bulk(epoch) + bulk(one) + bulk(confirmedInfo), false, false},
		{"a version too many", "*2\r\n*4\r\n" + bulk(epoch) + bulk(one) + bulk(two) + bulk(two) + bulk(confirmedInfo), false, false},
		{"half", "*1\r\n*3\r\n" + bulk(epoch) + bulk(one) + bulk(two), false, false},
		{"refused", "-NOPERM this user has no permissions\r\n", false, false},
		{"undone", "*-1\r\n", false, false},
		{"nothing", "", false, false},
	} {
		is, epoch, cells, nonces := whatIsAsked()
		if same, trusted := is.confirmedBy(respReader(c.answer), false, epoch, cells, nonces); same != c.same || trusted != c.trusted {
			t.Errorf("%s: same %v, trusted %v", c.what, same, trusted)
		}
		both, found := strings.CutPrefix(c.answer, "*2\r\n")
		if !found {
			continue
		}
		if same, trusted := is.confirmedBy(respReader(both), true, epoch, cells, nonces); same != c.same || trusted != c.trusted {
			t.Errorf("%s, without a transaction: same %v, trusted %v", c.what, same, trusted)
		}
	}
}

func FuzzConfirmedBy(f *testing.F) {
	f.Add("*2\r\n*3\r\n" + bulk("00000000000000ff") + bulk("0000000000000001") + bulk("0000000000000002;!x:9") + bulk(confirmedInfo))
	f.Fuzz(func(t *testing.T, answer string) {
		is, epoch, cells, nonces := whatIsAsked()
		same, trusted := is.confirmedBy(respReader(answer), !strings.HasPrefix(answer, "*2\r\n*"), epoch, cells, nonces)
		for _, part := range []string{"00000000000000ff", "0000000000000001", "0000000000000002", "f00d"} {
			if same && (!trusted || !strings.Contains(answer, part)) {
				t.Fatalf("%q confirms without %s", answer, part)
			}
		}
	})
}

// A question that everything is the same asks for less, and for all when anything is not.
func TestAHitAsksForLess(t *testing.T) {
	t.Parallel()
	onBothLines(t, func(t *testing.T, s *plainServer) {
		v, cells := s.asker(t)
		v.started = true // nothing is asked but here: this server knows no script
		now := time.Now()
		v.bound.Store(int64(time.Hour))
		v.validated.Store(&now)
		v.epoch.nonce, v.epoch.last = 255, 255
		v.epoch.publish()
		askUntilLine(t, v, cells)
		current := func(what string, nonce uint64, want error, asked, confirms int64) {
			t.Helper()
			a, c := s.asked.Load(), s.confirms.Load()
			if err := v.Current(t.Context(), []*Cell{cells[0], v.epoch}, []uint64{nonce, 255}, nil); !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
			if a, c = s.asked.Load()-a, s.confirms.Load()-c; a != asked || c != confirms {
				t.Errorf("%s: asked for all %d times and for less %d times", what, a, c)
			}
		}
		current("nothing is known of the scope", 0, ErrStale, 1, 0)
		current("the same", 1, nil, 0, 1)
		current("the same again", 1, nil, 0, 1)
		s.nonce.Store("0000000000000002")
		current("changed", 1, ErrStale, 1, 1)
		current("the new one", 2, nil, 0, 1)
		v.mu.Lock()
		cells[0].hold() // a change of this process, of which Redis has not heard
		v.mu.Unlock()
		current("fenced here", 2, ErrStale, 0, 1)
		v.mu.Lock()
		cells[0].unhold()
		v.mu.Unlock()
		s.home.Store("beef")
		current("another server, which has the hash", 2, nil, 1, 1)
		current("the other server", 2, nil, 0, 1)
		v.mu.Lock()
		v.epoch.hold()
		v.mu.Unlock()
		current("everything is fenced here", 2, ErrStale, 1, 0)
	})
}
