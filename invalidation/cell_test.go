package invalidation

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// withRedis returns Versions that believe in a Redis which nobody listens at; the answers come from the test.
func withRedis(t testing.TB) *Versions {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { client.Close() })
	v, err := Open(Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const birthA, birthB = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"

func answer(birth string, epoch, seq uint64, states ...state) reply {
	return reply{header: header{birth: birth, epoch: epoch, seq: seq, published: seq}, states: states}
}

func learn(t testing.TB, v *Versions, r reply, cells ...*Cell) {
	t.Helper()
	if err := v.learn(r, cells, false); err != nil {
		t.Fatal(err)
	}
}

// Message reordering: what is older than what a cell knows must not take it back, or entries from before a change would
// be good again.
func TestReorderedNewsDoNotTakeACellBack(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	c := v.Cell("t")
	learn(t, v, answer(birthA, 1, 10, state{nonce: 100}), c)
	learn(t, v, answer(birthA, 1, 12, state{nonce: 102}), c)
	learn(t, v, answer(birthA, 1, 11, state{nonce: 101}), c)
	if c.Load() != 102 {
		t.Errorf("after a late answer: version %d, want 102", c.Load())
	}
	v.receive("1 " + birthA + " 0000000000000001 10 11 1 0000000000000065o1:t")
	if c.Load() != 102 {
		t.Errorf("after a late message: version %d, want 102", c.Load())
	}
	v.receive("1 " + birthA + " 0000000000000001 12 13 1 0000000000000067o1:t")
	if c.Load() != 103 {
		t.Errorf("after a message in order: version %d, want 103", c.Load())
	}
}

func TestReorderedNewsDoNotTakeTheEpochBack(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	learn(t, v, answer(birthA, 1, 10))
	learn(t, v, answer(birthA, 2, 20))
	learn(t, v, answer(birthA, 1, 15))
	if got := v.Epoch().Load(); got != 2 {
		t.Errorf("epoch %d, want 2", got)
	}
}

func TestFencedCellIsNotAskedForUntilTheLeaseEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := withRedis(t)
		defer v.client.Close()
		c := v.Cell("t")
		learn(t, v, answer(birthA, 1, 10, state{nonce: 100, fenced: time.Second}), c)
		if c.Load() != 0 || c.wanting(time.Now()) {
			t.Error("a fenced cell is readable, or asked for at once")
		}
		time.Sleep(time.Second)
		if !c.wanting(time.Now()) {
			t.Error("the cell is not asked for after the lease")
		}
	})
}

// Another birth means that versions were lost. Which of two answers is the older one cannot be told, so neither may make
// anything known.
func TestAnotherBirthMakesEverythingUnknown(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	c := v.Cell("t")
	told := 0
	v.OnChange("t", func() { told++ })
	learn(t, v, answer(birthA, 1, 10, state{nonce: 100}), c)
	now := time.Now()
	v.validated.Store(&now)
	before := told
	learn(t, v, answer(birthB, 2, 3, state{nonce: 200}), c)
	if c.Load() != 0 || v.Epoch().Load() != 0 || v.Live(time.Hour) {
		t.Errorf("version %d, epoch %d, live %v", c.Load(), v.Epoch().Load(), v.Live(time.Hour))
	}
	if told == before {
		t.Error("nobody was told")
	}
	learn(t, v, answer(birthA, 1, 11, state{nonce: 101}), c)
	if c.Load() != 0 || v.Epoch().Load() != 0 {
		t.Error("a late answer of the old birth made something known")
	}
	var calls []func()
	v.mu.Lock()
	v.apply(answer(birthB, 2, 4), v.losses, &calls)
	v.mu.Unlock()
	learn(t, v, answer(birthB, 2, 3, state{nonce: 200}), c)
	if v.Epoch().Load() != 2 || c.Load() != 0 {
		t.Error("an answer from before the poll made a scope known")
	}
	learn(t, v, answer(birthB, 2, 4, state{nonce: 200}), c)
	if c.Load() != 200 {
		t.Errorf("version %d, want 200", c.Load())
	}
}

// A poll that was answered before a loss, and arrives after it was noticed, must not bring the old birth back: an own
// change in the new one would be undone.
func TestLatePollDoesNotBringTheOldBirthBack(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	c := v.Cell("t")
	learn(t, v, answer(birthA, 1, 10, state{nonce: 100}), c)
	asked := v.losses
	c.hold()
	if err := v.learn(answer(birthB, 2, 3, state{nonce: 200}), []*Cell{c}, true); err != nil {
		t.Fatal(err)
	}
	poll := func(r reply) bool {
		var calls []func()
		v.mu.Lock()
		defer v.mu.Unlock()
		_, ok := v.apply(r, asked, &calls)
		return ok
	}
	if poll(answer(birthA, 1, 10)) || v.Epoch().Load() != 0 {
		t.Error("the old epoch is back")
	}
	// One of the new birth is good, but no older than an own change that was answered meanwhile.
	if err := v.learn(answer(birthB, 3, 5), nil, true); err != nil {
		t.Fatal(err)
	}
	if !poll(answer(birthB, 2, 4)) || v.Epoch().Load() != 3 {
		t.Errorf("epoch %d, want 3", v.Epoch().Load())
	}
	learn(t, v, answer(birthB, 2, 4, state{nonce: 200}), c)
	if c.Load() != 0 {
		t.Error("an answer from before an own change made the scope known")
	}
}

func TestAnswerWithoutStatesMakesEverythingUnknown(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	c := v.Cell("t")
	learn(t, v, answer(birthA, 1, 10, state{nonce: 100}), c)
	if err := v.learn(answer(birthA, 1, 11), []*Cell{c}, false); err == nil {
		t.Error("no error")
	}
	if c.Load() != 0 || v.Epoch().Load() != 0 {
		t.Error("something is known still")
	}
}

func TestLiveEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := withRedis(t)
		defer v.client.Close()
		if v.Live(time.Hour) {
			t.Error("live before the first answer")
		}
		now := time.Now()
		v.validated.Store(&now)
		time.Sleep(time.Second - 1)
		if !v.Live(time.Second) {
			t.Error("not live within the bound")
		}
		time.Sleep(1 * time.Nanosecond)
		if v.Live(time.Second) {
			t.Error("live at the bound")
		}
	})
}

// The monotonic clock stands still while a machine sleeps, and the wall clock can be set back.
func TestLiveGoesByBothClocks(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	defer v.client.Close()
	at := time.Now()
	v.validated.Store(&at)
	for _, c := range []struct {
		monotonic time.Duration
		wall      int64 // seconds
		want      bool
	}{{0, 0, true}, {0, 60, false}, {time.Minute, 0, false}, {0, -60, true}, {time.Minute, -60, false}} {
		// Setting the clock of the machine is not for a test: a time with a monotonic reading has its wall
		// seconds in the bits from 30 on.
		now := at.Add(c.monotonic)
		*(*uint64)(unsafe.Pointer(&now)) += uint64(c.wall-int64(c.monotonic/time.Second)) << 30
		if now.Sub(at) != c.monotonic || now.Unix()-at.Unix() != c.wall {
			t.Fatalf("the clocks are at %v and %d s", now.Sub(at), now.Unix()-at.Unix())
		}
		if got := v.LiveAt(time.Second, now); got != c.want {
			t.Errorf("live: %v with clocks at %v and %d s", got, c.monotonic, c.wall)
		}
	}
}

// A message that names no scopes, or another epoch, makes the process ask; until then the epoch is unknown.
func TestMessageOfAnotherEpochShutsEverything(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	learn(t, v, answer(birthA, 1, 10))
	v.receive("1 " + birthA + " 0000000000000002 10 11 0 ")
	if v.Epoch().Load() != 0 {
		t.Error("the old epoch is readable")
	}
	select {
	case <-v.wakeLater:
	default:
		t.Error("no poll was asked for")
	}
}

func TestGapInMessagesAsksForAPoll(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"gap":        "1 " + birthA + " 0000000000000001 11 12 1 0000000000000067o1:t",
		"partial":    "1 " + birthA + " 0000000000000001 10 12 9 ",
		"unreadable": "hello",
		"birth":      "1 " + birthB + " 0000000000000001 10 12 1 0000000000000067o1:t",
	} {
		v := withRedis(t)
		learn(t, v, answer(birthA, 1, 10))
		v.receive(payload)
		select {
		case <-v.wakeLater:
		default:
			t.Errorf("%s: no poll was asked for", name)
		}
	}
	v := withRedis(t)
	learn(t, v, answer(birthA, 1, 10))
	v.receive("1 " + birthA + " 0000000000000001 10 11 1 0000000000000067o1:t")
	select {
	case <-v.wakeLater:
		t.Error("a poll was asked for without a reason")
	default:
	}
}

// An answer is as good as the moment at which the origin was asked for it.
func TestQuarantineIsJudgedWhenTheOriginIsAsked(t *testing.T) {
	t.Parallel()
	v := withRedis(t)
	asked := time.Now()
	v.mu.Lock()
	v.quarantine(header{quarantine: 20 * time.Millisecond})
	v.mu.Unlock()
	for v.Quarantine() > 0 {
		time.Sleep(time.Millisecond)
	}
	if !v.Quarantined(asked) {
		t.Error("what was read in quarantine counts as read after it")
	}
	if v.Quarantined(time.Now()) {
		t.Error("the quarantine does not end")
	}
}
