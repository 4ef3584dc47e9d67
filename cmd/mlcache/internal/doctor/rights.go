package doctor

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache"
)

// right is one of those that docs/redis.md lists, and a command that needs it and
// changes nothing: Redis looks at the rights before it looks at what a command
// says, so that a wrong one serves.
type right struct {
	name    string
	command []any
	level   Level
	without string
}

const (
	untold = "nothing is cached, and other processes are not told of this user's changes"
	noL2   = "no answers are kept in Redis"
	later  = "changes by other processes are noticed after mlcache_max_staleness, and no sooner"
)

func needed(namespace string) []right {
	hash, bus, entry := "{"+namespace+"}:v", "{"+namespace+"}:bus", namespace+":e:doctor"
	return []right{
		{"+evalsha ~" + hash, []any{"EVALSHA", strings.Repeat("0", 40), 1, hash}, Error, untold},
		{"+eval ~" + hash, []any{"EVAL", "return 1", 1, hash}, Error, untold + ", until another process has loaded the script"},
		{"+time", []any{"TIME"}, Error, untold},
		{"+hmget ~" + hash, []any{"HMGET", hash, "b"}, Error, untold},
		{"+hset ~" + hash, []any{"HSET", hash, "field", "value", "field without value"}, Error, "other processes are not told of this user's changes"},
		{"+hdel ~" + hash, []any{"HDEL", hash, "no field"}, Error, "a Redis whose memory is full takes no changes of versions, and counts as away"},
		{"+info", []any{"INFO", "replication"}, Error, untold},
		{"+get ~" + namespace + ":e:*", []any{"GET", entry}, Warning, noL2},
		{"+set ~" + namespace + ":e:*", []any{"SET", entry, "", "NO SUCH OPTION"}, Warning, noL2},
		{"+set ~" + namespace + ":r:*", []any{"SET", namespace + ":r:doctor", "", "NO SUCH OPTION"}, Warning, "no answer is renewed before it ends"},
		// An empty message is no message: who gets it asks once what has changed.
		{"+publish &" + bus, []any{"PUBLISH", bus, ""}, Warning, "this user's changes are noticed by others after their mlcache_max_staleness, and no sooner"},
		{"+pubsub|numsub", []any{"PUBSUB", "NUMSUB", bus}, Warning, "a new namespace begins with 5 seconds in which little is cached"},
	}
}

func rights(ctx context.Context, r *Report, o Options) {
	const check = "redis rights"
	missing := 0
	miss := func(right string, level Level, without string) {
		missing++
		r.add(level, check, "the user lacks "+right+": "+without, "ACL SETUSER, as docs/redis.md has it")
	}
	all := needed(o.Config.Namespace)
	for _, right := range all {
		switch err := o.Redis.Do(ctx, right.command...).Err(); {
		case refused(err):
			miss(right.name, right.level, right.without)
		case broken(err):
			r.add(Error, check, err.Error(), "see what ends connections to Redis")
			return
		}
	}
	if o.Config.Consistency == mlcache.Strict {
		const twice = "behind a proxy or a translated address, a hit in strict costs Redis twice as much"
		if refused(o.Redis.Do(ctx, "CLIENT", "INFO").Err()) {
			miss("+client|info", Warning, "a hit in strict is asked for in a transaction, which costs Redis more")
		}
		if err := o.Redis.Do(ctx, "EXEC").Err(); err != nil && strings.Contains(err.Error(), "NOPERM") { // after EXECABORT
			miss("+exec", Warning, twice)
		} else if _, cluster := o.Redis.(*redis.ClusterClient); !cluster { // which might send the two to different nodes
			pipe := o.Redis.Pipeline()
			multi := pipe.Do(ctx, "MULTI")
			pipe.Do(ctx, "EXEC")
			_, _ = pipe.Exec(ctx) // each command has its own error
			if refused(multi.Err()) {
				miss("+multi", Warning, twice)
			}
		}
	}
	bus := "{" + o.Config.Namespace + "}:bus"
	sub := o.Redis.Subscribe(ctx, bus)
	_, err := sub.Receive(ctx)
	_ = sub.Close()
	switch {
	case refused(err):
		miss("+subscribe &"+bus, Warning, later)
	case err != nil:
		r.add(Warning, check, "subscribing to &"+bus+" fails: "+err.Error()+": "+later, "see what stands between here and Redis: some proxies let no subscriber through")
		return
	}
	if missing == 0 {
		r.ok(check, "all that mlcache needs (%d looked at)", len(all)+1)
	}
}

func refused(err error) bool { return err != nil && strings.HasPrefix(err.Error(), "NOPERM") }

// broken reports whether an error is not an answer of the server's.
func broken(err error) bool {
	var answer redis.Error
	return err != nil && !errors.As(err, &answer)
}
