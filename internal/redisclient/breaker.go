package redisclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

// Breaker refuses commands at once while Redis is away, so that no reader waits
// for a time-out more than a few times. It is a go-redis hook, and so stands
// before every command of L2 and of invalidation alike.
type Breaker struct {
	cb *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func newBreaker(o Options) *Breaker {
	log := o.Logger
	return &Breaker{cb: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        "redis",
		MaxRequests: 1,
		Timeout:     breakerOpenFor,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool {
			// An answer of any kind, also an error reply, shows a live server.
			var reply redis.Error
			return err == nil || errors.As(err, &reply)
		},
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			// Once when Redis goes and once when it is back: the tries in between
			// open and half-open it again and again.
			switch {
			case log == nil:
			case from == gobreaker.StateClosed:
				log.Warn("mlcache: Redis does not answer: commands to it are refused until it does", "namespace", o.Namespace)
			case to == gobreaker.StateClosed:
				log.Info("mlcache: Redis answers again: commands go to it", "namespace", o.Namespace)
			}
		},
	})}
}

// errBreakerOpen is what a command gets while the breaker is open.
var errBreakerOpen = errors.New("mlcache: Redis is away")

// allowedKey marks the context of a command that was let through. go-redis greets
// a new connection with commands under the same context, inside the command that
// needs it; while one command may try, they must not count as a second one, or a
// breaker whose connections are all gone would never close again.
type allowedKey struct{}

func (b *Breaker) allow(ctx context.Context) (allowed context.Context, done func(error), err error) {
	if ctx.Value(allowedKey{}) != nil {
		return ctx, func(error) {}, nil
	}
	done, err = b.cb.Allow()
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", errBreakerOpen, err)
	}
	return context.WithValue(ctx, allowedKey{}, true), done, nil
}

// DialHook leaves dialling alone: a command that cannot get a connection fails
// and is counted where it was sent.
func (b *Breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook refuses a command, or lets it pass and counts what becomes of it.
func (b *Breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, done, err := b.allow(ctx)
		if err != nil {
			cmd.SetErr(err)
			return err
		}
		err = next(ctx, cmd)
		done(err)
		return err
	}
}

// ProcessPipelineHook is ProcessHook for several commands that are sent together.
func (b *Breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, done, err := b.allow(ctx)
		if err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		err = next(ctx, cmds)
		done(err)
		return err
	}
}

// State is "closed" while Redis answers, "open" while commands are refused, and "half-open" while one may try.
func (b *Breaker) State() string { return b.cb.State().String() }
