package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/entries"
	"github.com/mlcache/mlcache/invalidation"
)

const (
	// slowTrip is a round trip over which a hit in Redis is slower than many a query;
	// mlcache's own time-out is 100ms unless the URL names another.
	slowTrip = 10 * time.Millisecond
	lostTrip = 100 * time.Millisecond
	// clockApart is how far clocks may be apart before times to live are noticeably wrong.
	clockApart = time.Second
)

// server looks at the Redis as a server. It returns false if there is no talking to it.
func server(ctx context.Context, r *Report, o Options) bool {
	first := time.Now()
	if err := o.Redis.Ping(ctx).Err(); err != nil && !strings.HasPrefix(err.Error(), "NOPERM") {
		r.add(Error, "redis", err.Error(), "see that the server runs, and that user, password, TLS and network let this machine in; until then nothing is cached")
		return false
	}
	connected := time.Since(first)
	var trips []time.Duration
	for range 21 {
		began := time.Now()
		_ = o.Redis.Ping(ctx)
		trips = append(trips, time.Since(began))
	}
	slices.Sort(trips)
	trip := trips[len(trips)/2]
	found := fmt.Sprintf("answers in %s (median of %d), connecting takes %s", round(trip), len(trips), round(connected))
	switch {
	case trip > lostTrip:
		r.add(Error, "redis", found, "bring it nearer: mlcache waits 100ms and then asks the database")
	case trip > slowTrip:
		r.add(Warning, "redis", found, "bring it nearer: each write waits for it, and each answer from L2")
	default:
		r.add(OK, "redis", found, "")
	}
	info, err := o.Redis.Info(ctx).Result()
	if err != nil {
		r.add(Error, "redis server", err.Error(), "give the user +info: without it nothing is cached, and other processes are not told of changes")
		return true
	}
	about := fields(info)
	version := about["redis_version"]
	if older(version, 6, 2) {
		r.add(Error, "redis version", version, "use Redis 6.2 or newer")
	} else {
		r.ok("redis version", "%s", version)
	}
	switch {
	case about["role"] != "master":
		r.add(Error, "redis role", about["role"]+": it may lag, and takes no writes", "name the master in mlcache_redis, or use mlcache_redis_mode=sentinel")
	case about["cluster_enabled"] == "1" && o.Config.RedisMode != "cluster":
		r.add(Error, "redis role", "a node of a cluster", "set mlcache_redis_mode=cluster")
	case about["cluster_enabled"] == "0" && o.Config.RedisMode == "cluster":
		r.add(Error, "redis role", "not a node of a cluster", "leave mlcache_redis_mode=cluster out")
	default:
		r.ok("redis role", "master")
	}
	eviction(r, about)
	clock(ctx, r, o)
	return true
}

func eviction(r *Report, about map[string]string) {
	limit, _ := strconv.ParseInt(about["maxmemory"], 10, 64)
	policy := about["maxmemory_policy"]
	found := fmt.Sprintf("maxmemory %d MiB, maxmemory-policy %s, %s evicted so far", limit>>20, policy, about["evicted_keys"])
	switch {
	case limit == 0:
		r.add(Warning, "redis memory", "no maxmemory: it grows until the machine has no more", "set maxmemory, and maxmemory-policy allkeys-lru")
	case policy == "noeviction":
		r.add(Error, "redis memory", found+": once it is full, other processes can be told of no change any more", "set maxmemory-policy allkeys-lru")
	case policy == "volatile-ttl" || strings.HasSuffix(policy, "-random"):
		r.add(Warning, "redis memory", found+": it does not look at how often an answer is used", "set maxmemory-policy allkeys-lru or volatile-lru")
	default:
		r.add(OK, "redis memory", found, "")
	}
}

// clock compares the server's clock with this machine's, by the quickest of some
// questions: the true difference is within half of its round trip.
func clock(ctx context.Context, r *Report, o Options) {
	best, apart := time.Duration(-1), time.Duration(0)
	for range 5 {
		began := time.Now()
		there, err := o.Redis.Time(ctx).Result()
		if err != nil {
			return // a finding of the rights
		}
		if trip := time.Since(began); best < 0 || trip < best {
			best, apart = trip, there.Sub(began.Add(trip/2))
		}
	}
	found := fmt.Sprintf("%s apart from this machine's, within %s", round(apart), round(best/2))
	if apart.Abs()-best/2 > clockApart {
		r.add(Warning, "clock", found, "let both machines keep time by NTP: answers in Redis end by the clock of the machine that reads them")
		return
	}
	r.add(OK, "clock", found, "")
}

// namespace looks for others under the same name. tables are the scopes of the
// database's relations, nil if they are not known.
func namespace(ctx context.Context, r *Report, o Options, tables map[string]bool) {
	const check = "namespace"
	name := o.Config.Namespace
	state, err := invalidation.Inspect(ctx, o.Redis, name)
	switch {
	case errors.Is(err, invalidation.ErrForeignKey):
		r.add(Error, check, "the key {"+name+"}:v is not mlcache's: nothing can be cached", "set mlcache_namespace to a name that nobody else uses, or delete the key")
		return
	case err != nil:
		r.add(OK, check, "cannot be looked at with this user's rights ("+err.Error()+"), which mlcache itself does not need", "")
		return
	case !state.Exists:
		r.ok(check, "%s has not been used in this Redis, or Redis has lost it", name)
		return
	}
	var strange []string
	known := 0
	for _, scope := range state.Names {
		switch {
		case !strings.Contains(scope, "."): // not a table, or not by its full name
		case tables[scope]:
			known++
		default:
			strange = append(strange, scope)
		}
	}
	slices.Sort(strange)
	switch {
	case tables == nil:
		r.ok(check, "%s is in use, with %s", name, count(known+len(strange), "table"))
	case len(strange) > known:
		r.add(Warning, check, fmt.Sprintf("%s is in use with %s that this database does not have (%s), and with %d that it has: another database seems to share the namespace",
			name, count(len(strange), "table"), few(strange), known),
			"give each database an mlcache_namespace of its own: sharing one is never wrong, but each drops the other's answers")
	case len(strange) > 0:
		r.ok(check, "%s is in use by this database, with %s, and %d that it has no more", name, count(known, "table"), len(strange))
	default:
		r.ok(check, "%s is in use by this database, with %s", name, count(known, "table"))
	}
}

// keyBytes is about what the key of an answer takes in L1: who asks, what, and some
// arguments.
const keyBytes = 64

// sizes measures the answers in Redis and says how large an L1 would hold them.
func sizes(ctx context.Context, r *Report, o Options) {
	const check = "size of L1"
	s, err := entries.Measure(ctx, o.Redis, o.Config.Namespace, o.Entries)
	if err != nil {
		r.add(Warning, check, err.Error(), "run it as a user who may SCAN, DBSIZE and STRLEN")
		return
	}
	if s.Measured == 0 {
		r.ok(check, "there are no answers in Redis to measure")
		return
	}
	need := cache.L1Size(s.AverageBytes+keyBytes, s.Entries)
	has := max(o.Config.L1Size, 0)
	found := fmt.Sprintf("%d answers in Redis of %d bytes on average, %d the largest (%d measured): an L1 of %d MiB holds all of them, mlcache_l1_size is %d MiB",
		s.Entries, s.AverageBytes, s.LargestBytes, s.Measured, mebibytes(need), mebibytes(has))
	switch holds := cache.L1Entries(s.AverageBytes+keyBytes, has); {
	case has == 0:
		r.add(Warning, check, found, fmt.Sprintf("L1 is off, and each hit asks Redis: set mlcache_l1_size to %dMiB, or to what there is", mebibytes(need)))
	case holds < s.Entries:
		r.add(Warning, check, found, fmt.Sprintf("mlcache_l1_size=%dMiB lets each process hold all; now it is %d%%, which is enough if the rest is seldom asked for", mebibytes(need), 100*holds/s.Entries))
	default:
		r.add(OK, check, found, "")
	}
}

// mebibytes rounds up.
func mebibytes(n int64) int64 { return (n + 1<<20 - 1) >> 20 }

// fields reads the answer to INFO.
func fields(info string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[name] = value
		}
	}
	return m
}

// older reports whether a version is before major.minor. One that cannot be read is.
func older(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return true
	}
	a, err1 := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err1 != nil || err2 != nil || a < major || a == major && b < minor
}
