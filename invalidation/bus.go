package invalidation

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// listen applies what other processes publish. Messages are only the fast path: what is lost, late or forged is found
// by the next poll.
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
	gap := m.partial || m.previous > v.published
	v.published = max(v.published, m.seq)
	if m.epoch != v.epoch.last {
		if m.seq >= v.epoch.seq {
			// Everything has changed. The poll brings the new epoch.
			v.epoch.forget(m.seq)
			v.allListeners(&calls)
			gap = true
		}
	} else {
		now := time.Now()
		for _, s := range m.states {
			var fenced time.Duration
			if s.fenced {
				fenced = v.cfg.FenceLease
			}
			if c := v.lookup(s.scope); c != nil && c.set(s.nonce, m.seq, fenced, now) {
				v.changed(c)
				calls = append(calls, c.listeners...)
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
