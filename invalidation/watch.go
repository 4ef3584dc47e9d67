package invalidation

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// EventKind says what a message on the bus means.
type EventKind string

const (
	// Released: a change of Scopes has become visible, or was rolled back, or somebody has invalidated them.
	Released EventKind = "release"
	// NewEpoch: everything was invalidated.
	NewEpoch EventKind = "epoch"
	// NewBirth: Redis had lost the versions, and everything with them.
	NewBirth EventKind = "birth"
	// Missed: events before this one were not received. Processes find out what they were by asking Redis.
	Missed EventKind = "missed"
)

// Event is one message on the bus of a namespace.
type Event struct {
	// Kind says what happened, and which of the fields below have a meaning.
	Kind EventKind
	// Received is when it arrived, by the clock of this machine.
	Received time.Time
	// Sequence is the number of the change; 0 where it is not known.
	Sequence uint64
	// Scopes are those that changed. It is nil where everything did, and where they did not fit into the message: Many
	// says how many there were.
	Scopes []string
	// Fenced are those of Scopes that another writer holds at the same time.
	Fenced []string
	// Many is the number of scopes that changed and did not fit.
	Many uint64
}

// Watch calls f for each message on the bus of the namespace until ctx ends, and then returns nil; ready, when not nil, is called once
// before, when no later message can be missed without an event that says so. It asks Redis for the rights to HMGET and
// SUBSCRIBE; an error means that one was not given, or that Redis does not answer at the beginning. Later the connection is made anew when it is lost.
func Watch(ctx context.Context, client redis.UniversalClient, namespace string, ready func(), f func(Event)) error {
	sub := client.Subscribe(ctx, busChannel(namespace))
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		return watchError(ctx, "subscribe", err)
	}
	values, err := client.HMGet(ctx, versionsKey(namespace), "b", "e", "p").Result()
	if err != nil {
		return watchError(ctx, "hmget", err)
	}
	w := newWatcher(values, f)
	in := sub.ChannelWithSubscriptions()
	if ready != nil {
		ready()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case got, ok := <-in:
			if !ok {
				return nil
			}
			switch m := got.(type) {
			case *redis.Subscription:
				// The connection was lost and made anew.
				f(Event{Kind: Missed, Received: time.Now()})
			case *redis.Message:
				w.message(m.Payload, time.Now())
			}
		}
	}
}

// watchError is nil where the caller has ended the watch.
func watchError(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("mlcache: invalidation: %s: %w", what, err)
}

type watcher struct {
	f         func(Event)
	birth     string
	epoch     uint64
	published uint64
}

// newWatcher begins with the fields b, e and p of the hash, nil where they are missing.
func newWatcher(values []any, f func(Event)) *watcher {
	w := &watcher{f: f}
	if s := (State{}); len(values) == 3 && s.header([]any{values[0], values[1], nil, nil, values[2], nil}) == nil {
		w.birth, w.epoch, w.published = s.Birth, s.Epoch, s.Published
	}
	return w
}

func (w *watcher) message(payload string, at time.Time) {
	m, ok := parseMessage(payload)
	if !ok {
		return // anybody may publish anything
	}
	e := Event{Kind: Released, Received: at, Sequence: m.seq}
	known := w.birth != "" // else this is the first that is heard of the namespace
	switch {
	case known && m.birth != w.birth:
		e.Kind = NewBirth
	case known && m.seq < w.published:
		return // late, and told as missed already
	default:
		if known && m.previous > w.published {
			w.f(Event{Kind: Missed, Received: at})
		}
		if known && m.epoch != w.epoch {
			e.Kind = NewEpoch
		}
	}
	w.birth, w.epoch, w.published = m.birth, m.epoch, m.seq
	if e.Kind == Released {
		for _, s := range m.states {
			e.Scopes = append(e.Scopes, s.scope)
			if s.fenced {
				e.Fenced = append(e.Fenced, s.scope)
			}
		}
		if e.Many = m.left; e.Scopes == nil && e.Many == 0 {
			return // a change of everything that was rolled back
		}
	}
	w.f(e)
}
