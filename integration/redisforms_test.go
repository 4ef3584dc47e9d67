package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// patientURL ends the URL of a Redis that answers late on a busy machine, and that
// nothing is wrong with.
const patientURL = "read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s"

// checkForm goes through what two processes do over a Redis: what one has read,
// the other finds in L2, and what one writes, the other sees.
func checkForm(t *testing.T, namespace, mode, url string, env ...string) {
	t.Helper()
	dsn := harness.NewDatabase(t, warmup, productTables)
	shared := harness.With(dsn, "mlcache_redis", url, "mlcache_redis_mode", mode, "mlcache_namespace", namespace, "mlcache_max_staleness", "10s")
	one, two := harness.StartProcess(t, "mlcache", shared, env...), harness.StartProcess(t, "mlcache", shared, env...)
	untilProcessServes(t, one)
	untilProcessServes(t, two)
	pgx := harness.Open(t, "pgx", dsn)
	const query = "SELECT id, name, version FROM product WHERE id = $1"
	const rows = 20
	sets := one.Stats().L2.Sets
	for id := 1; id <= rows; id++ {
		ask(t, one, query, id)
	}
	harness.Eventually(t, 20*time.Second, "the answers are stored in Redis", func() bool { return one.Stats().L2.Sets >= sets+rows })
	before := two.Stats()
	for id := 1; id <= rows; id++ {
		harness.Same(t, "from Redis", ask(t, two, query, id), harness.Query(t, pgx, query, id))
	}
	if c := since(before, two.Stats()); c.L2Hits != rows {
		t.Errorf("of %d answers that are in Redis the other process counted %+v", rows, c)
	}
	one.Exec("UPDATE product SET version = version + 1")
	want := harness.Query(t, pgx, query, 7)
	harness.Same(t, "the own write", ask(t, one, query, 7), want)
	start := time.Now()
	harness.Eventually(t, 20*time.Second, "the other process sees the write", func() bool { return slices.Equal(ask(t, two, query, 7).Rows, want.Rows) })
	t.Logf("the other process sees the write after %v", time.Since(start))
	for who, p := range map[string]*harness.Process{"the writer": one, "the other process": two} {
		if s := p.Stats(); s.L2.Errors > 0 || s.FenceErrors > 0 || s.LateReleases > 0 || s.L2.Hits+s.L1.Hits == 0 {
			t.Errorf("%s: %+v", who, s)
		}
	}
}

func TestRedisSingle(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			t.Parallel()
			checkForm(t, harness.NewNamespace(t), "single", harness.RedisURL()+"?protocol="+protocol+"&"+patientURL)
		})
	}
}

func TestRedisBehindSentinel(t *testing.T) {
	t.Parallel()
	sentinel, _ := startSentinel(t)
	checkForm(t, "forms", "sentinel", "redis://"+sentinel.addr+"?master_name=main&"+patientURL)
}

// The hash of versions lies on one node, answers on all.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := startCluster(t)
	checkForm(t, "forms", "cluster", "redis://"+nodes[0].addr+"?addr="+nodes[1].addr+"&addr="+nodes[2].addr+"&"+patientURL)
	homes := 0
	for _, n := range nodes {
		c := n.client()
		defer c.Close()
		if c.Exists(t.Context(), "{forms}:v").Val() == 1 {
			homes++
		}
		if answers := c.Keys(t.Context(), "forms:e:*").Val(); len(answers) == 0 {
			t.Errorf("node %s has no answers", n.addr)
		}
	}
	if homes != 1 {
		t.Errorf("%d nodes have the versions", homes)
	}
}

func TestRedisOverTLS(t *testing.T) {
	t.Parallel()
	ca, config, args := certificates(t)
	server := startServerWith(t, config, args...)
	url := "rediss://" + server.addr + "?" + patientURL
	checkForm(t, "forms", "single", url, "SSL_CERT_FILE="+ca)

	// A process that does not trust the certificate talks to no Redis, and to the database all the same.
	dsn := harness.NewDatabase(t, warmup, productTables)
	stranger := harness.StartProcess(t, "mlcache", harness.With(dsn, "mlcache_redis", url, "mlcache_namespace", "forms"),
		"SSL_CERT_FILE="+os.DevNull, "SSL_CERT_DIR="+t.TempDir())
	for range 5 {
		if r := ask(t, stranger, "SELECT version FROM product WHERE id = $1", 7); len(r.Rows) != 1 {
			t.Errorf("without trust in the certificate: %v", r.Rows)
		}
	}
	if s := stranger.Stats(); s.L1Hits+s.L2Hits > 0 || s.Bypasses == 0 {
		t.Errorf("without trust in the certificate: %+v", s)
	}
}

// certificates makes an authority, and a certificate by it for 127.0.0.1. It
// returns the authority's file, the configuration of a client, and arguments for
// redis-server.
func certificates(t *testing.T) (authority string, client *tls.Config, args []string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	must(err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	authority = write("ca.pem", "CERTIFICATE", caDER)
	roots := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(caDER)
	must(err)
	roots.AddCert(parsed)
	return authority, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, []string{
		"--tls-cert-file", write("redis.pem", "CERTIFICATE", leafDER), "--tls-key-file", write("redis.key", "PRIVATE KEY", keyDER),
		"--tls-ca-cert-file", authority, "--tls-auth-clients", "no",
	}
}

// documentedRights are those of the ACL rule in docs/redis.md, for a namespace,
// after the password.
func documentedRights(t *testing.T, namespace string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	rule := regexp.MustCompile(`(?m)^ACL SETUSER app on >PASSWORD (.*)$`).FindSubmatch(text)
	if rule == nil {
		t.Fatal("docs/redis.md has no ACL rule")
	}
	return strings.Fields(strings.ReplaceAll(string(rule[1]), "mlcache", namespace))
}

// A user with the documented rights is served as one with all, also in a cluster with
// what is documented for that. A user who lacks one of them gets right answers, and sees
// the writes of others within the bound.
func TestRedisAccessControl(t *testing.T) {
	t.Parallel()
	redisServer := startServer(t)
	setUser := func(at *server, name string, rights []string) {
		t.Helper()
		command := []any{"ACL", "SETUSER", name, "on", ">secret"}
		for _, r := range rights {
			command = append(command, r)
		}
		at.do(command...)
	}
	url := func(user string) string { return "redis://" + user + ":secret@" + redisServer.addr + "?" + patientURL }
	rights := documentedRights(t, "forms")
	setUser(redisServer, "app", rights)
	t.Run("all", func(t *testing.T) { checkForm(t, "forms", "single", url("app")) })
	t.Run("cluster", func(t *testing.T) {
		nodes := startCluster(t)
		for _, n := range nodes {
			setUser(n, "app", append(slices.Clone(rights), "+cluster|slots", "+command"))
		}
		checkForm(t, "forms", "cluster", "redis://app:secret@"+nodes[0].addr+"?addr="+nodes[1].addr+"&addr="+nodes[2].addr+"&"+patientURL)
	})

	const (
		read     = "SELECT version FROM product WHERE id = 1"
		staleFor = 500 * time.Millisecond
	)
	dsn := harness.NewDatabase(t, warmup, productTables)
	pgx := harness.Open(t, "pgx", dsn)
	// Each user in a process of its own: pools of one process share their connections to Redis.
	start := func(user string) *harness.Process {
		return harness.StartProcess(t, "mlcache", harness.With(dsn, "mlcache_redis", url(user), "mlcache_namespace", "forms", "mlcache_max_staleness", staleFor.String()))
	}
	writer := start("app")
	untilProcessServes(t, writer)
	// What docs/redis.md says of those who lack a right; L1 and L2 serve all others.
	nothing := []string{"+evalsha", "+time", "+hmget", "+info", "~{forms}:v"}
	onlyL1 := []string{"+get", "+set", "~forms:e:*"}
	for i, lacking := range rights {
		if strings.HasPrefix(lacking, "reset") || lacking == "-@all" {
			continue
		}
		name := fmt.Sprint("lacks", i)
		setUser(redisServer, name, slices.DeleteFunc(slices.Clone(rights), func(r string) bool { return r == lacking }))
		p := start(name)
		same := func(what string) {
			t.Helper()
			harness.Same(t, "without "+lacking+": "+what, ask(t, p, read), harness.Query(t, pgx, read))
		}
		for range 5 {
			same("at first")
			time.Sleep(20 * time.Millisecond)
		}
		writer.Exec("UPDATE product SET version = version + 1")
		time.Sleep(staleFor)
		same("after another's write")
		p.Exec("UPDATE product SET version = version + 1")
		for range 5 {
			same("after the own write")
			time.Sleep(20 * time.Millisecond)
		}
		s := p.Stats()
		t.Logf("without %-12s L1 hits %d, L2 hits %d, L2 sets %d, bypasses %d", lacking, s.L1Hits, s.L2Hits, s.L2.Sets, s.Bypasses)
		switch {
		case slices.Contains(nothing, lacking):
			if s.L1Hits+s.L2Hits > 0 {
				t.Errorf("without %s something was cached: %+v", lacking, s)
			}
		case s.L1Hits == 0:
			t.Errorf("without %s nothing was cached: %+v", lacking, s)
		case slices.Contains(onlyL1, lacking) != (s.L2.Sets == 0 || s.L2.Errors > 0):
			t.Errorf("without %s L2 counted %+v", lacking, s.L2)
		}
		// What this user could not tell others is told by the writer.
		writer.Exec("UPDATE product SET version = version + 1")
	}
}
