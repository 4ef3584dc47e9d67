package integration

import (
	"database/sql"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// prompt is how long a statement may take while Redis is away, on a machine that
// is busy with other tests. Time-outs towards Redis are a tenth of a second.
const prompt = 3 * time.Second

// outage is one writer and several readers, each a process of its own, on one
// row. It knows when which version was written.
type outage struct {
	t       *testing.T
	redis   *harness.Redis
	dsn     string
	writer  *harness.Process
	readers []*harness.Process
	version int
	written []time.Time // by version: when the UPDATE had returned
	worst   time.Duration
}

func newOutage(t *testing.T, redisArgs ...string) *outage {
	t.Helper()
	redis := harness.StartRedis(t, redisArgs...)
	o := newOutageOf(t, redis.URL(), "single")
	o.redis = redis
	return o
}

func newOutageOf(t *testing.T, url, mode string) *outage {
	t.Helper()
	o := &outage{t: t, written: []time.Time{time.Now()}}
	o.dsn = harness.With(harness.NewDatabase(t, warmup, productTables), "mlcache_redis", url, "mlcache_redis_mode", mode, "mlcache_namespace", harness.NewNamespace(t))
	o.writer = harness.StartProcess(t, "mlcache", o.dsn)
	o.addReader()
	o.addReader()
	o.untilServing()
	return o
}

func (o *outage) addReader() {
	o.readers = append(o.readers, harness.StartProcess(o.t, "mlcache", o.dsn))
}

func (o *outage) untilServing() {
	o.t.Helper()
	for _, p := range append([]*harness.Process{o.writer}, o.readers...) {
		untilProcessServes(o.t, p)
	}
}

// run reads all the time and writes now and then, for d. Every statement must
// succeed and be prompt, the writer must see its own writes at once, and the
// readers must keep the bound.
func (o *outage) run(phase string, d time.Duration) {
	o.t.Helper()
	for start, i := time.Now(), 0; time.Since(start) < d; i++ {
		if i%10 == 0 {
			o.write(phase)
		}
		o.read(phase, "the writer", o.writer, o.version)
		for n, r := range o.readers {
			o.read(phase, fmt.Sprintf("reader %d", n), r, 0)
		}
	}
}

func (o *outage) write(phase string) {
	o.t.Helper()
	start := time.Now()
	o.writer.Exec("UPDATE product SET version = $1 WHERE id = 1", o.version+1)
	o.version++
	o.written = append(o.written, time.Now())
	if took := time.Since(start); took > prompt {
		o.t.Errorf("%s: a write took %v", phase, took)
	}
}

// read checks one answer: not older than atLeast, nor than the bound allows.
func (o *outage) read(phase, who string, p *harness.Process, atLeast int) {
	o.t.Helper()
	a := p.Query("SELECT version FROM product WHERE id = $1", 1)
	if a.Err != "" {
		o.t.Fatalf("%s: %s: a query failed: %s", phase, who, a.Err)
	}
	if a.Elapsed > prompt {
		o.t.Errorf("%s: %s: a query took %v", phase, who, a.Elapsed)
	}
	var got int
	if _, err := fmt.Sscanf(a.Rows[0], "int64 %d", &got); err != nil {
		o.t.Fatal(err)
	}
	if got < o.version {
		o.worst = max(o.worst, a.Start.Sub(o.written[got+1]))
	}
	for v := o.version; v > got; v-- {
		if age := a.Start.Sub(o.written[v]); v <= atLeast || age > bound {
			o.t.Fatalf("%s: %s reads version %d, %v after version %d was written", phase, who, got, age, v)
		}
	}
}

// recover waits until every process answers from its cache again.
func (o *outage) recover() {
	o.t.Helper()
	o.run("after the outage", 2*time.Second)
	o.untilServing()
	o.run("recovered", time.Second)
	o.t.Logf("%d versions written; an old answer was read at most %v after a newer version was written", o.version, o.worst)
}

func TestRedisStoppedAndStartedAgainEmpty(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run("healthy", time.Second)
	o.redis.Stop()
	o.run("stopped", 3*time.Second)
	o.redis.Start()
	o.recover()
}

func TestRedisStoppedAndStartedAgainWithItsData(t *testing.T) {
	t.Parallel()
	o := newOutage(t, "--appendonly", "yes", "--appendfsync", "always")
	o.run("healthy", time.Second)
	o.redis.Stop()
	o.run("stopped", 3*time.Second)
	o.redis.Start()
	o.recover()
}

// A Redis that was killed comes back with the data of a snapshot: entries and
// versions of then, which agree with each other and with nothing since. A
// failover to a replica that lagged looks the same.
func TestRedisComesBackWithOldData(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run("healthy", time.Second)
	o.read("before the snapshot", "a reader", o.readers[0], 0)
	time.Sleep(200 * time.Millisecond) // answers are stored behind the reader's back
	if err := redisClient(t, o.redis.URL()).Save(harness.Context(t)).Err(); err != nil {
		t.Fatal(err)
	}
	o.write("after the snapshot")
	o.run("after the snapshot", time.Second)
	o.redis.Kill()
	o.run("killed", time.Second)
	o.redis.Start()
	// This one has seen nothing of the past.
	o.addReader()
	o.recover()
}

func TestRedisHangsAndAnswersAgain(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	o.run("healthy", time.Second)
	o.redis.Pause()
	o.run("hanging", 4*time.Second)
	o.redis.Resume()
	o.recover()
}

func TestRedisRestartsInAnInstant(t *testing.T) {
	t.Parallel()
	o := newOutage(t, "--appendonly", "yes", "--appendfsync", "always")
	for range 3 {
		o.run("healthy", 300*time.Millisecond)
		o.redis.Kill()
		o.redis.Start()
	}
	o.recover()
}

func TestRedisLosesItsKeys(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	client := redisClient(t, o.redis.URL())
	for range 3 {
		o.run("healthy", 300*time.Millisecond)
		if err := client.FlushAll(harness.Context(t)).Err(); err != nil {
			t.Fatal(err)
		}
		o.run("after FLUSHALL", 300*time.Millisecond)
	}
	o.recover()
}

// What Redis holds is more than it may: every command evicts, first entries, then
// the versions too, and what is stored is refused.
func TestRedisEvicts(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	client := redisClient(t, o.redis.URL())
	set := func(name, value string) {
		t.Helper()
		if err := client.ConfigSet(harness.Context(t), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	o.run("healthy", time.Second)
	set("maxmemory-policy", "allkeys-lru")
	for range 3 {
		set("maxmemory", "1000000") // less than the server itself
		o.run("evicting", time.Second)
		if n := client.DBSize(harness.Context(t)).Val(); n > 1 {
			t.Errorf("void: %d keys were not evicted", n)
		}
		set("maxmemory", "0")
		o.run("not evicting", 300*time.Millisecond)
	}
	o.recover()
}

// The master dies and its replica takes over, which may have missed the last
// writes.
func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	sentinel, master := startSentinel(t)
	o := newOutageOf(t, "redis://"+sentinel.addr+"?master_name=main", "sentinel")
	o.run("healthy", time.Second)
	sentinel.do("SENTINEL", "SET", "main", "down-after-milliseconds", "500")
	master.kill()
	o.run("failing over", 4*time.Second)
	o.recover()
	host, port, _ := net.SplitHostPort(master.addr)
	c := sentinel.client()
	defer c.Close()
	now, err := c.Do(t.Context(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").StringSlice()
	if err != nil || len(now) != 2 || now[0] == host && now[1] == port {
		t.Errorf("void: nothing has failed over: the master is %v, %v", now, err)
	}
}

// A program starts, reads and writes though Redis is not there yet, and is cached
// once it is.
func TestProgramStartsBeforeRedis(t *testing.T) {
	t.Parallel()
	server := harness.StartRedis(t)
	server.Stop()
	dsn := harness.NewDatabase(t, warmup, productTables)
	pgx := harness.Open(t, "pgx", dsn)
	db := harness.Open(t, "mlcache", harness.With(dsn, "mlcache_redis", server.URL(), "mlcache_namespace", harness.NewNamespace(t)))
	readAndWrite := func(db, pgx *sql.DB) {
		t.Helper()
		start := time.Now()
		harness.Exec(t, db, "UPDATE product SET version = version + 1 WHERE id = 1")
		const query = "SELECT version FROM product WHERE id = 1"
		harness.Same(t, "without Redis", harness.Query(t, db, query), harness.Query(t, pgx, query))
		if took := time.Since(start); took > prompt {
			t.Errorf("a write and a read took %v", took)
		}
	}
	for range 10 {
		readAndWrite(db, pgx)
	}
	server.Start()
	untilServing(t, db)
	for range 10 {
		readAndWrite(db, pgx)
	}
}
