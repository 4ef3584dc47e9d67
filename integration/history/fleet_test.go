package history_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	neturl "net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/history"
)

// fleet is several processes at work, each with proxies of its own in front of a
// Redis that the test may break, and in front of the database.
type fleet struct {
	t         *testing.T
	postgres  ownPostgres // nil for the one that all tests share
	seed      uint64
	random    *rand.Rand
	recorder  *history.Recorder
	dsn       string
	direct    *sql.DB // without a cache or a proxy
	orders    history.Orders
	redis     redisServer
	server    *toxiproxy.ApiServer
	proxies   []*toxiproxy.Proxy // to Redis, by process
	databases []*toxiproxy.Proxy // to the gate, by process
	gate      *gate              // to PostgreSQL
	processes []*history.Process
	kills     int
	moved     bool // names stand for the tables of the tenant
	zone      int
}

const fleetSize = 4

// redisServer is a Redis that can be broken.
type redisServer interface {
	URL() string
	Address() (host, port string)
	Kill()
	Start()
	Pause()
	Resume()
}

// torture is how many operations a history has at least, and killed how many
// writers die, in the long form of the tests; 0 asks for the short form.
var torture, killed = fromEnv("MLCACHE_TORTURE"), fromEnv("MLCACHE_TORTURE_KILLS")

func fromEnv(name string) int {
	n, err := strconv.Atoi(os.Getenv(name))
	if err != nil && os.Getenv(name) != "" {
		panic(name + " is not a number")
	}
	return n
}

// ownPostgres is a PostgreSQL of a fleet's own.
type ownPostgres interface{ DSN() string }

// sharedRedis is the Redis that all tests share; it must not be broken.
type sharedRedis struct{ redisServer }

func (sharedRedis) URL() string { return harness.RedisURL() }

// brokenRedis is the Redis that the short form breaks: one for all, since it must
// be of some age. In the long form each history has its own.
type brokenRedis struct {
	*harness.Redis
	born time.Time
}

func startBrokenRedis(t *testing.T) *brokenRedis {
	t.Helper()
	return &brokenRedis{harness.StartRedis(t, "--repl-diskless-sync-delay", "0"), time.Now()}
}

// newFleet makes the database and the proxies; keysAndValues are keys of the DSN.
func newFleet(t *testing.T, server redisServer, shape history.Shape, keysAndValues ...string) *fleet {
	t.Helper()
	return newFleetOn(t, nil, server, shape, keysAndValues...)
}

// newFleetOn is newFleet with a PostgreSQL of the fleet's own, whose processes but one have no settings of their own.
func newFleetOn(t *testing.T, postgres ownPostgres, server redisServer, shape history.Shape, keysAndValues ...string) *fleet {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("MLCACHE_TEST_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("MLCACHE_TEST_SEED=%d", seed)
	f := &fleet{
		t: t, postgres: postgres, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), recorder: history.NewRecorder(shape),
		redis:  server,
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop()),
	}
	database := f.newDatabase()
	f.direct = harness.Open(t, "pgx", harness.With(database, "search_path", "public"))
	f.dsn = harness.With(database, append([]string{"mlcache_namespace", harness.NewNamespace(t)}, keysAndValues...)...)
	f.gate = newGate(t, hostPort(t, f.dsn))
	// Code of which nobody knows what it changes drops everything, the schema too: more of it, and a run has no hits.
	f.orders = history.Orders{Shape: shape, Seed: seed, Clients: 4, Writes: 0.006, Calls: 0.05, Sessions: 0.0012, Pause: 2 * time.Millisecond}
	// What is left out, to see what else there is: sessions, calls, or both.
	if without := os.Getenv("MLCACHE_TEST_WITHOUT"); without != "" {
		f.orders.Sessions *= share(!strings.Contains(without, "sessions"))
		f.orders.Calls *= share(!strings.Contains(without, "calls"))
	}
	if torture == 0 {
		f.orders.Pause = 10 * time.Millisecond
	}
	for i := range fleetSize {
		f.proxies = append(f.proxies, f.proxy(fmt.Sprint("redis", i), f.redis.URL()))
		f.databases = append(f.databases, f.proxy(fmt.Sprint("postgres", i), "tcp://"+f.gate.listener.Addr().String()))
	}
	return f
}

func share(all bool) float64 {
	if all {
		return 1
	}
	return 0
}

// newDatabase makes the registers, and the role of the tenant, which outlives the database.
func (f *fleet) newDatabase() (dsn string) {
	f.t.Helper()
	shape := f.recorder.Shape
	if f.postgres != nil {
		db := harness.Open(f.t, "pgx", f.postgres.DSN())
		defer db.Close()
		harness.Exec(f.t, db, shape.CreateTenant())
		harness.Exec(f.t, db, shape.DDL())
		return f.postgres.DSN()
	}
	admin := harness.Open(f.t, "pgx", harness.AdminDSN())
	harness.Exec(f.t, admin, shape.CreateTenant())
	f.t.Cleanup(func() {
		if _, err := admin.Exec("DROP ROLE " + shape.Tenant); err != nil {
			f.t.Error(err)
		}
	})
	return harness.NewDatabase(f.t, shape.DDL())
}

func (f *fleet) proxy(name, url string) *toxiproxy.Proxy {
	f.t.Helper()
	p := toxiproxy.NewProxy(f.server, name, "127.0.0.1:0", hostPort(f.t, url))
	if err := p.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(p.Stop)
	return p
}

func hostPort(t testing.TB, url string) string {
	t.Helper()
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// redisAge is how old a Redis must be for a namespace to begin without
// quarantine, in which strict keeps nothing.
const redisAge = 6 * time.Second

// start starts the processes and lets them warm up.
func (f *fleet) start() {
	f.t.Helper()
	if r, ok := f.redis.(*brokenRedis); ok {
		time.Sleep(time.Until(r.born.Add(redisAge)))
	}
	f.recorder.Phase(history.Phase{Name: "start"})
	for i := range fleetSize {
		f.processes = append(f.processes, f.startProcess(i))
	}
	f.recorder.WarmUp(20 * time.Second)
}

func (f *fleet) startProcess(i int) *history.Process {
	f.t.Helper()
	o := f.orders
	if i > 0 {
		o.Cancel = 0 // one of them is enough: a cancelled write shuts its table for a fence's lease
	}
	dsn := f.dsn
	if f.postgres != nil {
		o.Roams, o.Zones, o.Sessions = i > 0, 0.1, 0
		if i == 0 {
			dsn = harness.With(dsn, "search_path", "public", "TimeZone", "UTC")
		}
	}
	url := "redis://" + f.proxies[i].Listen
	if _, shared := f.redis.(sharedRedis); shared {
		// This Redis is never away. A writer that took it for that on a busy machine, and died then, would have told
		// nobody, which is promised to nobody.
		url = f.redis.URL() + "?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s"
	} else if torture == 0 {
		// The short form shares the machine with other tests.
		url += "?read_timeout=150ms&write_timeout=150ms&dial_timeout=400ms&pool_timeout=150ms"
	}
	database, err := neturl.Parse(harness.With(dsn, "mlcache_redis", url))
	if err != nil {
		f.t.Fatal(err)
	}
	database.Host = f.databases[i].Listen
	o.DSN = database.String()
	return f.recorder.Start(f.t, o)
}

// kill ends a process between two instructions and starts another in its place.
func (f *fleet) kill(i int) {
	f.t.Helper()
	f.processes[i].Kill()
	f.kills++
	f.processes[i] = f.startProcess(i)
}

// quiet lets the processes work without faults, first for as long as the cache
// may take to recover.
func (f *fleet) quiet(settle, d time.Duration) {
	if settle > 0 {
		f.recorder.Phase(history.Phase{Name: "settling"})
		time.Sleep(settle)
	}
	f.recorder.Phase(history.Phase{Name: "quiet", Quiet: true})
	time.Sleep(d)
}

// finish stops the processes, judges what holds in every mode, and returns the
// history.
func (f *fleet) finish() *history.History {
	f.t.Helper()
	f.recorder.Phase(history.Phase{Name: "end"})
	var wg sync.WaitGroup
	for _, p := range f.processes {
		wg.Go(p.Stop) // each takes a second to close its pools
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	h, err := f.recorder.Finish(ctx, f.direct)
	if err != nil {
		f.t.Fatal(err)
	}
	h.Judge()
	return h
}

// report fails the test for each violation. It returns false when there were too few
// hits for the run to mean anything.
func (f *fleet) report(h *history.History, worst map[*history.Phase]int64) (meant bool) {
	f.t.Helper()
	f.t.Logf("%d processes killed; seed %d\n%s", f.kills, f.seed, h.Report(worst))
	shown := map[string]int{} // by kind
	for _, v := range h.Violations {
		kind := number.ReplaceAllString(v, "")
		if shown[kind[:min(len(kind), 60)]]++; shown[kind[:min(len(kind), 60)]] <= 4 {
			f.t.Errorf("seed %d: %s", f.seed, v)
		}
	}
	if n := len(h.Violations); n > 0 {
		f.t.Errorf("%d violations", n)
	}
	if h.HitShare() < 0.5 {
		f.t.Logf("void: only %.0f%% of the queries were hits", 100*h.HitShare())
		return false
	}
	return true
}

// number is what makes violations of one kind differ.
var number = regexp.MustCompile(`[0-9.]+[µm]?s?`)

// toxic is a fault of toxiproxy on the way to or from a server.
type toxic struct {
	kind, stream string
	attributes   map[string]any
}

func (f *fleet) poison(p *toxiproxy.Proxy, x toxic) (remove func()) {
	f.t.Helper()
	body, err := json.Marshal(map[string]any{"name": x.kind + x.stream, "type": x.kind, "stream": x.stream, "toxicity": 1.0, "attributes": x.attributes})
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		if err := p.Toxics.RemoveToxic(context.Background(), x.kind+x.stream); err != nil {
			f.t.Error(err)
		}
	}
}

// admin leads to Redis without a proxy.
func (f *fleet) admin() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: hostPort(f.t, f.redis.URL())})
	f.t.Cleanup(func() { c.Close() })
	return c
}
