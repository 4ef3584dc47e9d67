package invalidation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// State is what Redis holds for a namespace, for an operator to look at. Durations are as of Now.
type State struct {
	// Exists is false where no process has used the namespace, or where its versions were lost and nobody has asked since.
	// The other fields are zero then, but for Now.
	Exists bool
	// Now is the server's clock, in milliseconds.
	Now time.Time
	// Birth names the hash: another one means that versions were lost in between.
	Birth string
	// Epoch is the version of everything.
	Epoch uint64
	// Sequence counts the changes of scopes, Published is its value at the last message.
	Sequence, Published uint64
	// Quarantine is what is left of the time after a loss in which answers are not kept.
	Quarantine time.Duration
	// Scopes is how many scopes have a version, Names those of at most MaxNames of them, in no order.
	Scopes int
	Names  []string
	// Fences are those that hold, at most MaxNames of them.
	Fences []FenceState
}

// FenceState is one writer's fence. When it was set is not known; a live writer renews it, so that it does not end before the change.
type FenceState struct {
	Scope string        // empty for everything
	Ends  time.Duration // what is left of its lease
}

// MaxNames bounds the lists of a State.
const MaxNames = 100_000

// ErrForeignKey is returned by Inspect when the key of the versions holds something else.
var ErrForeignKey = errors.New("mlcache: invalidation: the key of the versions holds something that is not of this protocol")

// Inspect reads the state of a namespace and changes nothing. It is no snapshot: the hash is read in steps (HSCAN), so that no command holds
// up the server. It needs the rights to TIME, TYPE, HMGET and HSCAN.
func Inspect(ctx context.Context, client redis.UniversalClient, namespace string) (State, error) {
	var s State
	key := versionsKey(namespace)
	now, err := client.Time(ctx).Result()
	if err != nil {
		return s, fmt.Errorf("mlcache: invalidation: time: %w", err)
	}
	s.Now = now
	kind, err := client.Type(ctx, key).Result()
	switch {
	case err != nil:
		return s, fmt.Errorf("mlcache: invalidation: type: %w", err)
	case kind == "none":
		return s, nil
	case kind != "hash":
		return s, ErrForeignKey
	}
	values, err := client.HMGet(ctx, key, "b", "e", "u", "q", "p", "w").Result()
	if err != nil {
		return s, fmt.Errorf("mlcache: invalidation: hmget: %w", err)
	}
	if err := s.header(values); err != nil {
		return s, err
	}
	var cursor uint64
	for {
		fields, next, err := client.HScan(ctx, key, cursor, "s*", 1000).Result()
		if err != nil {
			return s, fmt.Errorf("mlcache: invalidation: hscan: %w", err)
		}
		for i := 0; i+1 < len(fields); i += 2 {
			s.scope(fields[i], fields[i+1])
		}
		if cursor = next; cursor == 0 {
			return s, nil
		}
	}
}

func (s *State) header(values []any) error {
	var f [6]string
	for i := range f {
		f[i], _ = values[i].(string) // nil for a missing field
	}
	if f[0] == "" || f[1] == "" {
		return ErrForeignKey
	}
	var err error
	if s.Epoch, err = parseNonce(f[1]); err != nil || len(f[0]) != 16 {
		return ErrForeignKey
	}
	s.Exists, s.Birth = true, f[0]
	// A missing number is 0, as the script has it.
	till, _ := strconv.ParseInt(f[2], 10, 54)
	s.Quarantine = max(0, time.UnixMilli(till).Sub(s.Now))
	s.Sequence, _ = strconv.ParseUint(f[3], 10, 53)
	s.Published, _ = strconv.ParseUint(f[4], 10, 53)
	s.fences("", f[5])
	return nil
}

// scope takes one field of the hash.
func (s *State) scope(field, value string) {
	name, ok := strings.CutPrefix(field, "s")
	if !ok || len(value) < 16 {
		return
	}
	s.Scopes++
	if len(s.Names) < MaxNames {
		s.Names = append(s.Names, name)
	}
	s.fences(name, value[16:])
}

// fences takes a list ";id:end;id:end" in which an id with a ! is no fence. See versions.lua.
func (s *State) fences(scope, list string) {
	for list != "" && len(s.Fences) < MaxNames {
		var one string
		one, list, _ = strings.Cut(strings.TrimPrefix(list, ";"), ";")
		id, end, ok := strings.Cut(one, ":")
		ms, err := strconv.ParseInt(end, 10, 54)
		if !ok || err != nil || strings.HasPrefix(id, "!") {
			continue
		}
		if left := time.UnixMilli(ms).Sub(s.Now); left > 0 {
			s.Fences = append(s.Fences, FenceState{Scope: scope, Ends: left})
		}
	}
}

func versionsKey(namespace string) string { return "{" + namespace + "}:v" }
func busChannel(namespace string) string  { return "{" + namespace + "}:bus" }
