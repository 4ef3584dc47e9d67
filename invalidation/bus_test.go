package invalidation

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// toldRedis is a Redis as the script keeps it, one process that asks it, and somebody who publishes what he likes.
type toldRedis struct {
	t       *testing.T
	v       *Versions
	cells   []*Cell
	seq     uint64
	epoch   uint64
	nonces  []uint64
	changed []int    // by number, from 1 on: which scope; -1 for everything
	old     []uint64 // every version that there was
}

func newToldRedis(t *testing.T, scopes int) *toldRedis {
	r := &toldRedis{t: t, v: withRedis(t), epoch: 1, changed: []int{-1}, old: []uint64{1}}
	for i := range scopes {
		r.cells = append(r.cells, r.v.Cell(fmt.Sprint(i)))
		r.nonces = append(r.nonces, uint64(100+i))
		r.old = append(r.old, r.nonces[i])
	}
	r.ask()()
	for i := range r.cells {
		r.read(i)()
	}
	return r
}

func (r *toldRedis) change(scope int) {
	r.seq++
	r.changed = append(r.changed, scope)
	n := 1000 + r.seq
	if scope < 0 {
		r.epoch = n
	} else {
		r.nonces[scope] = n
	}
	r.old = append(r.old, n)
}

func (r *toldRedis) header() header {
	r.v.mu.Lock()
	defer r.v.mu.Unlock()
	return header{birth: birthA, epoch: r.epoch, seq: r.seq, published: r.seq, heard: r.v.heard}
}

// ask is a poll that has been answered; what it returns lets the answer arrive.
func (r *toldRedis) ask() (arrive func()) {
	a := reply{header: r.header(), complete: true}
	v := r.v
	for n := v.polled + 1; n <= r.seq; n++ {
		if scope := r.changed[n]; scope >= 0 {
			a.states = append(a.states, state{scope: fmt.Sprint(scope), nonce: r.nonces[scope]})
		}
	}
	return func() {
		var calls []func()
		v.mu.Lock()
		defer v.mu.Unlock()
		if _, ok := v.apply(a, v.losses, &calls); !ok {
			r.t.Fatal("the answer is of no use")
		}
		v.polled = max(v.polled, a.seq)
	}
}

func (r *toldRedis) read(scopes ...int) (arrive func()) {
	a := reply{header: r.header()}
	var cells []*Cell
	for _, s := range scopes {
		a.states = append(a.states, state{nonce: r.nonces[s]})
		cells = append(cells, r.cells[s])
	}
	return func() { learn(r.t, r.v, a, cells...) }
}

func (r *toldRedis) message(epoch, seq uint64, scope int, nonce uint64, fenced bool) {
	mark := "o"
	if fenced {
		mark = "f"
	}
	r.v.receive(fmt.Sprintf("1 %s %016x %d %d 1 %016x%s1:%d", birthA, epoch, max(seq, 1)-1, seq, nonce, mark, scope))
}

// right fails where a version can be seen, or is kept from being learnt, that is not the one in Redis.
func (r *toldRedis) right() {
	r.t.Helper()
	if got := r.v.Epoch().Load(); got != r.epoch {
		r.t.Fatalf("after a poll the epoch is %d, in Redis it is %d", got, r.epoch)
	}
	for i, c := range r.cells {
		if got := c.Load(); got != 0 && got != r.nonces[i] {
			r.t.Fatalf("after a poll scope %d has version %d, in Redis it has %d", i, got, r.nonces[i])
		}
		if c.Load() == 0 && !c.wanting(time.Now()) {
			r.t.Fatalf("after a poll scope %d is unknown, and nobody asks for it", i)
		}
		r.read(i)()
		if got := c.Load(); got != r.nonces[i] {
			r.t.Fatalf("after it was asked for, scope %d has version %d, in Redis it has %d", i, got, r.nonces[i])
		}
	}
}

// play takes what happens from the bytes.
func (r *toldRedis) play(data []byte) {
	var late []func() // answers on their way
	next := func() int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b)
	}
	polling := false
	for len(data) > 0 {
		switch next() % 8 {
		case 0, 1: // a change, and perhaps its message
			scope := next() % len(r.cells)
			r.change(scope)
			if next()%2 == 0 {
				r.message(r.epoch, r.seq, scope, r.nonces[scope], next()%4 == 0)
			}
		case 2:
			r.change(-1)
		case 3, 4, 5: // any message
			seq := r.seq + uint64(next()%5) - min(r.seq, 2)
			if next()%3 == 0 {
				seq = 1<<53 - 1 - uint64(next())
			}
			epoch := r.epoch
			if next()%4 == 0 {
				epoch = r.old[next()%len(r.old)]
			}
			r.message(epoch, seq, next()%len(r.cells), r.old[next()%len(r.old)], next()%3 == 0)
		case 6: // a question, whose answer comes later; of polls there is one at a time
			if next()%2 == 0 {
				late = append(late, r.read(next()%len(r.cells)))
			} else if !polling {
				polling = true
				arrive := r.ask()
				late = append(late, func() { arrive(); polling = false })
			}
		case 7:
			if len(late) > 0 {
				i := next() % len(late)
				late[i]()
				late = append(late[:i], late[i+1:]...)
			}
		}
	}
	for _, arrive := range late {
		arrive()
	}
	r.ask()()
	r.right()
}

// Whatever is published, and whatever is late: after the next poll no version is seen that Redis has no more, and what
// Redis says is learnt.
func TestNoMessageKeepsAnOlderVersion(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewChaCha8([32]byte{20}))
	data := make([]byte, 200)
	for range 3000 {
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		newToldRedis(t, 2).play(data)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte{3, 2, 0, 0, 1, 1, 0, 1, 6, 1, 7, 0})
	f.Fuzz(func(t *testing.T, data []byte) { newToldRedis(t, 2).play(data) })
}

// A forged number as large as can be must neither hide the changes that come after it, nor the process's own.
func TestForgedNumberPinsNoVersion(t *testing.T) {
	t.Parallel()
	r := newToldRedis(t, 1)
	r.message(r.epoch, 1<<53-1, 0, 100, false)
	c := r.cells[0]
	c.hold()
	r.change(0)
	a := reply{header: r.header(), states: []state{{nonce: r.nonces[0]}}}
	if err := r.v.learn(a, []*Cell{c}, true); err != nil {
		t.Fatal(err)
	}
	if got := c.Load(); got != r.nonces[0] {
		t.Errorf("after an own change the version is %d, in Redis it is %d", got, r.nonces[0])
	}
	r.ask()()
	r.right()
}

// A forged epoch makes a process ask, and it finds its entries as good as they were.
func TestForgedEpochLastsUntilTheNextPoll(t *testing.T) {
	t.Parallel()
	r := newToldRedis(t, 1)
	told := 0
	r.v.OnChange("0", func() { told++ })
	r.message(7, 1<<53-1, 0, 100, false)
	if r.v.Epoch().Load() != 0 {
		t.Error("the epoch is readable though a message says that it is over")
	}
	if !r.v.epoch.wanting(time.Now()) {
		t.Error("nobody asks for the epoch")
	}
	epochs := r.v.Stats().Epochs
	r.ask()()
	r.right()
	if r.v.Stats().Epochs != epochs {
		t.Error("everything was invalidated")
	}
}

// An answer to a question from before a change's message does not take the change back.
func TestLateAnswerDoesNotUndoAMessage(t *testing.T) {
	t.Parallel()
	r := newToldRedis(t, 1)
	early := r.read(0)
	r.change(0)
	r.message(r.epoch, r.seq, 0, r.nonces[0], false)
	early()
	if got := r.cells[0].Load(); got != r.nonces[0] {
		t.Errorf("version %d, want %d", got, r.nonces[0])
	}
	r.ask()()
	r.right()
}
