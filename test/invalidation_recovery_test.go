package test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/invalidation"
)

// wire is what a client's commands pass, until it is cut.
type wire struct{ cut atomic.Bool }

var errCut = errors.New("cut")

func (l *wire) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *wire) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if l.cut.Load() {
			return errCut
		}
		return next(ctx, cmd)
	}
}

func (l *wire) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if l.cut.Load() {
			return errCut
		}
		return next(ctx, cmds)
	}
}

// Redis is away for everybody. When it answers again, the reader asks before the writer has told of what was
// written meanwhile, and must not take the answer for news.
func TestInvalidationAfterAnOutageTheLastToTellIsWaitedFor(t *testing.T) {
	t.Parallel()
	const staleness = 200 * time.Millisecond
	for _, use := range []struct {
		name   string
		served func(p *peer, c *invalidation.Cell, version uint64) bool
	}{
		{"bounded", func(p *peer, c *invalidation.Cell, version uint64) bool {
			p.Ensure(context.Background(), []*invalidation.Cell{c})
			return c.Load() == version && p.Live(staleness)
		}},
		{"strict", func(p *peer, c *invalidation.Cell, version uint64) bool {
			return p.Current(context.Background(), []*invalidation.Cell{c}, []uint64{version}, nil) == nil
		}},
	} {
		t.Run(use.name, func(t *testing.T) {
			t.Parallel()
			redis := newRedis(t)
			reader, writer := newPeer(t, redis.Addr(), bound(staleness)), newPeer(t, redis.Addr(), bound(staleness))
			var toReader, toWriter wire
			reader.client.AddHook(&toReader)
			writer.client.AddHook(&toWriter)
			cell := reader.know("t")
			writer.know("t")
			subscribed(t, reader, writer)
			version := cell.Load()
			eventually(t, "served", func() bool { return use.served(reader, cell, version) })

			toReader.cut.Store(true)
			toWriter.cut.Store(true)
			// Asked all the time, as it is by an application.
			eventually(t, "not served", func() bool { return !use.served(reader, cell, version) })
			time.Sleep(2 * staleness)
			fence, _ := writer.Fence(context.Background(), []string{"t"}, invalidation.FenceOptions{})
			_ = fence.Release(context.Background(), invalidation.Committed)
			if writer.Stats().Queued == 0 {
				t.Fatal("void: Redis was told")
			}
			time.Sleep(staleness)
			toReader.cut.Store(false)
			told := time.Now().Add(2 * staleness)
			for time.Now().Before(told) {
				if use.served(reader, cell, version) {
					t.Fatalf("the old version is served again, %v before the writer can tell of the new one", time.Until(told))
				}
				time.Sleep(time.Millisecond)
			}
			toWriter.cut.Store(false)
			eventually(t, "the new version is served", func() bool {
				if use.served(reader, cell, version) {
					t.Fatal("the old version is served again")
				}
				now := cell.Load()
				return now != 0 && use.served(reader, cell, now)
			})
		})
	}
}
