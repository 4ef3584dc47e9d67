package invalidation

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// listen applies what other processes publish. Messages are only the fast path: what is lost, late or forged is found
// by the next poll.
//
// A message is believed until then, and no longer. It never makes an answer old: who asks after a message that tells of something
// later than the answer has been lied to by the message. So no message can keep a cell from what Redis says.
func (v *Versions) listen() {
	// The namespace's first question must come before its first subscriber: see versions.lua on calm births.
	v.mu.Lock()
	first := v.round
	v.mu.Unlock()
	v.kick()
	select {
	case <-first:
	case <-v.ctx.Done():
		return
	}
	sub := v.client.Subscribe(v.ctx, v.bus)
	defer sub.Close()
	defer v.listens.Store(false)
	in := sub.ChannelWithSubscriptions()
	for {
		select {
		case <-v.ctx.Done():
			return
		case got, ok := <-in:
			if !ok {
				return
			}
			switch m := got.(type) {
			case *redis.Subscription:
				// Messages may have been lost before this moment.
				v.counters.subscriptions.Add(1)
				v.listens.Store(true)
				v.kick()
			case *redis.Message:
				v.counters.messages.Add(1)
				v.receive(m.Payload)
			}
		}
	}
}

func (v *Versions) receive(payload string) {
	m, ok := parseMessage(payload)
	if !ok {
		v.counters.badMessages.Add(1)
		v.kickLater()
		return
	}
	var calls []func()
	v.mu.Lock()
	if m.birth != v.birth || v.lost {
		v.mu.Unlock()
		v.kickLater()
		return
	}
	v.echoes.received(m.seq, time.Now())
	v.heard++
	gap := m.partial || m.previous > v.published
	v.published = max(v.published, m.seq)
	if m.epoch != v.epoch.last {
		if m.seq > v.epoch.seq && m.seq > v.polled {
			// Everything has changed. The poll brings the new epoch, or says that there is none.
			v.epoch.hint, v.epoch.hintAt = max(v.epoch.hint, m.seq), v.heard
			v.epoch.doubt()
			v.tellEverything(&calls)
			gap = true
		}
	} else if m.seq > v.polled {
		now := time.Now()
		for _, s := range m.states {
			var fenced time.Duration
			if s.fenced {
				fenced = v.cfg.FenceLease
			}
			c := v.lookup(s.scope)
			if c == nil {
				continue
			}
			changed, told := c.tell(s.nonce, m.seq, v.heard, fenced, now)
			if told {
				v.hinted[c] = struct{}{}
			}
			if changed {
				v.changed(c)
				calls = c.tellChange(calls)
			}
		}
	}
	if gap {
		v.counters.gaps.Add(1)
	}
	v.mu.Unlock()
	run(calls)
	if gap {
		v.kickLater()
	}
}

// weigh judges what messages have told by the answer to a poll, whose states have been applied. A true message from before the
// question is among them. What is not is unknown, and Redis is asked. Called with v.mu held.
func (v *Versions) weigh(r reply) {
	for c := range v.hinted {
		switch {
		case c.hint == 0:
		case r.heard >= c.hintAt:
			c.hint = 0
			c.doubt()
		default:
			continue
		}
		delete(v.hinted, c)
	}
}
