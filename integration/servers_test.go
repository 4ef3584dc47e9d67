package integration

import (
	"crypto/tls"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/integration/harness"
)

// server is a redis-server process, for what needs several that know each other.
type server struct {
	t    testing.TB
	addr string
	tls  *tls.Config // nil for a server without TLS
	cmd  *exec.Cmd
}

func startServer(t testing.TB, args ...string) *server {
	t.Helper()
	return startServerWith(t, nil, args...)
}

func startServerWith(t testing.TB, config *tls.Config, args ...string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, addr: l.Addr().String(), tls: config}
	_, port, _ := net.SplitHostPort(s.addr)
	l.Close()
	dir := t.TempDir()
	all := []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir}
	if config != nil {
		all = []string{"--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--dir", dir}
	}
	if len(args) > 0 && args[0] == "--sentinel" {
		// A sentinel wants a file to write to.
		config := dir + "/sentinel.conf"
		if err := exec.Command("touch", config).Run(); err != nil {
			t.Fatal(err)
		}
		all = append([]string{config}, append(all, args...)...)
	} else {
		all = append(append(all, "--save", "", "--repl-diskless-sync-delay", "0"), args...)
	}
	s.cmd = exec.Command("redis-server", all...)
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("tests of several Redis servers need redis-server on the PATH: %v", err)
	}
	t.Cleanup(s.kill)
	c := s.client()
	defer c.Close()
	harness.Eventually(t, 10*time.Second, "redis-server answers", func() bool { return c.Ping(t.Context()).Err() == nil })
	return s
}

func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
	}
}

func (s *server) client() *redis.Client {
	return redis.NewClient(patientTimeouts(&redis.Options{Addr: s.addr, TLSConfig: s.tls}))
}

func (s *server) follow(master *server) {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	host, port, _ := net.SplitHostPort(master.addr)
	if err := c.Do(s.t.Context(), "REPLICAOF", host, port).Err(); err != nil {
		s.t.Fatal(err)
	}
	harness.Eventually(s.t, 20*time.Second, "the replica follows", func() bool {
		return strings.Contains(c.Info(s.t.Context(), "replication").Val(), "master_link_status:up")
	})
}

// do runs a command that must succeed.
func (s *server) do(command ...any) {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	if err := c.Do(s.t.Context(), command...).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// startCluster starts a cluster of three masters.
func startCluster(t testing.TB) []*server {
	t.Helper()
	var nodes []*server
	for range 3 {
		nodes = append(nodes, startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000"))
	}
	for i, n := range nodes {
		c := n.client()
		defer c.Close()
		first, last := i*16384/3, (i+1)*16384/3-1
		if err := c.ClusterAddSlotsRange(t.Context(), first, last).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(nodes[0].addr)
		if err := c.ClusterMeet(t.Context(), host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		c := n.client()
		defer c.Close()
		harness.Eventually(t, 20*time.Second, "the cluster is up", func() bool {
			info := c.ClusterInfo(t.Context()).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return nodes
}

// startSentinel starts a sentinel that watches a master, named main, and its replica.
func startSentinel(t testing.TB) (sentinel, master *server) {
	t.Helper()
	master, replica := startServer(t), startServer(t)
	replica.follow(master)
	host, port, _ := net.SplitHostPort(master.addr)
	sentinel = startServer(t, "--sentinel")
	admin := sentinel.client()
	defer admin.Close()
	// The failover begins when the test says so, however slow the machine is.
	sentinel.do("SENTINEL", "MONITOR", "main", host, port, "1")
	sentinel.do("SENTINEL", "SET", "main", "down-after-milliseconds", "600000")
	sentinel.do("SENTINEL", "SET", "main", "failover-timeout", "5000")
	harness.Eventually(t, 20*time.Second, "the sentinel knows the replica", func() bool {
		v, _ := admin.Do(t.Context(), "SENTINEL", "REPLICAS", "main").Slice()
		return len(v) == 1
	})
	return sentinel, master
}
