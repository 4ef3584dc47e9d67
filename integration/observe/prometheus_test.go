package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/metrics"
	mlcacheprom "github.com/mlcache/mlcache/metrics/prometheus"
)

// still are the metrics that do not grow while all is well, or move too seldom for a
// test to wait for.
var still = []string{
	"multilevel_cache_breaker_state", "multilevel_cache_lease_live", "multilevel_cache_max_staleness_seconds",
	"multilevel_cache_queue_scopes", "multilevel_cache_queue_everything", "multilevel_cache_quarantine_seconds",
	"multilevel_cache_fence_errors_total", "multilevel_cache_late_invalidations_total", "multilevel_cache_fills_dropped_total",
	"multilevel_cache_resyncs_total", "multilevel_cache_subscriptions_total",
	"multilevel_cache_late_answers_total", "multilevel_cache_renewals_total",
}

// A Prometheus scrapes a program under load. Every metric is there and moves, and
// every query of the dashboard has an answer.
func TestPrometheus(t *testing.T) {
	shop := newShop(t, "mlcache_l1_size", "524288")
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(mlcacheprom.NewCollector(shop.handle, nil))
	other, err := mlcacheFrom(shop.other)
	if err != nil {
		t.Fatal(err)
	}
	// Two pools in one registry are told apart by a label.
	registryOfBoth := prometheus.NewPedanticRegistry()
	registryOfBoth.MustRegister(mlcacheprom.NewCollector(shop.handle, prometheus.Labels{"db": "one"}))
	registryOfBoth.MustRegister(mlcacheprom.NewCollector(other, prometheus.Labels{"db": "two"}))
	if _, err := registryOfBoth.Gather(); err != nil {
		t.Errorf("two collectors in one registry: %v", err)
	}
	// The pool without L1 has the hits in Redis.
	shared := prometheus.NewPedanticRegistry()
	shared.MustRegister(mlcacheprom.NewCollector(other, nil))
	app := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer app.Close()
	second := httptest.NewServer(promhttp.HandlerFor(shared, promhttp.HandlerOpts{}))
	defer second.Close()
	p := startPrometheus(t, app.URL, second.URL)
	p.until(t, "scrapes of both, before anything is stored", `count(up == 1) == 2 and sum(multilevel_cache_l1_size) == 0`)
	stop := shop.load(t)
	defer stop()

	before := time.Now()
	// DDL and everything at once, which the load does not do.
	harness.Exec(t, shop.db, "CREATE TABLE more (id int)")
	if err := shop.handle.Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics.All() {
		name := m.Name
		if m.Type == metrics.Histogram {
			name += "_count"
		}
		if slices.Contains(still, m.Name) {
			p.until(t, m.Name+" is there", fmt.Sprintf("count(%s)", name))
			continue
		}
		p.until(t, m.Name+" moves", fmt.Sprintf("sum(changes(%s[5m])) > 0", name))
	}
	for _, result := range []string{"hit", "miss", "stale"} {
		for _, level := range []string{"l1", "l2"} {
			p.until(t, level+" "+result, fmt.Sprintf(`sum(multilevel_cache_operations_total{level=%q,operation="get",result=%q}) > 0`, level, result))
		}
	}
	p.until(t, "shared misses", `multilevel_cache_operations_total{level="origin",operation="get",result="shared"} > 0`)
	for _, table := range []string{"public.item", "public.orders"} {
		p.until(t, "hits that writes to "+table+" cost", fmt.Sprintf(`sum(multilevel_cache_lost_hits_total{table=%q}) > 0`, table))
	}
	// The figures are those of Stats.
	var hits uint64
	harness.Eventually(t, settling, "the figures of a scrape are those of Stats", func() bool {
		least := shop.handle.Stats().L1Hits
		got := scrape(t, app.URL, `multilevel_cache_operations_total{level="l1",operation="get",result="hit"} `)
		hits = shop.handle.Stats().L1Hits
		return float64(least) <= got && got <= float64(hits)
	})

	// rate() needs two scrapes in its window.
	time.Sleep(max(0, 15*time.Second-time.Since(before)))
	for _, q := range dashboard(t) {
		p.until(t, q.panel, q.expr)
	}
	// An alert has no answer while all is well. What it compares has one.
	for _, expr := range alerts(t) {
		p.until(t, "alert", threshold.ReplaceAllString(expr, ""))
	}
}

var threshold = regexp.MustCompile(` (==|!=|<=?|>=?) \d+`)

// alerts returns the queries of the documentation.
func alerts(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(raw)) {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
		if len(cells) == 5 && !strings.HasPrefix(cells[1], " `") && strings.HasPrefix(cells[2], " `") {
			expr, _, _ := strings.Cut(strings.Trim(cells[2], " `"), "`")
			out = append(out, strings.ReplaceAll(expr, "\x00", "|"))
		}
	}
	if len(out) < 5 {
		t.Fatalf("the documentation has %d alerts: %q", len(out), out)
	}
	return out
}

func scrape(t *testing.T, url, prefix string) float64 {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s in the scrape", prefix)
	return 0
}

type query struct{ panel, expr string }

// dashboard returns the queries of every panel, with Grafana's variables filled in.
func dashboard(t *testing.T) []query {
	t.Helper()
	raw, err := os.ReadFile("../../metrics/grafana/mlcache.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", ".*", "$instance", ".*")
	var out []query
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			out = append(out, query{"panel " + p.Title, fill.Replace(target.Expr)})
		}
	}
	if len(out) < 30 {
		t.Fatalf("the dashboard has %d queries", len(out))
	}
	// Each metric is on the dashboard.
	for _, m := range metrics.All() {
		if !slices.ContainsFunc(out, func(q query) bool { return strings.Contains(q.expr, m.Name) }) {
			t.Errorf("no panel shows %s", m.Name)
		}
	}
	return out
}

type prom struct{ url string }

// startPrometheus starts one that scrapes the URLs four times a second, until the test ends.
func startPrometheus(t *testing.T, targets ...string) *prom {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus on the PATH (Debian: apt-get install prometheus): nothing can scrape")
	}
	dir := t.TempDir()
	var hosts []string
	for _, u := range targets {
		hosts = append(hosts, strings.TrimPrefix(u, "http://"))
	}
	list, _ := json.Marshal(hosts)
	config := "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n" +
		"scrape_configs: [{job_name: shop, metrics_path: /, static_configs: [{targets: " + string(list) + "}]}]\n"
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	var log strings.Builder
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus: %s", log.String())
		}
	})
	p := &prom{url: "http://" + addr}
	harness.Eventually(t, settling, "Prometheus is ready", func() bool {
		resp, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// until waits until the query has an answer, which is a number.
func (p *prom) until(t *testing.T, what, expr string) {
	t.Helper()
	var last string
	for limit := time.Now().Add(settling); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		resp, err := http.Get(p.url + "/api/v1/query?query=" + url.QueryEscape(expr))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		last = string(body)
		var answer struct {
			Status string
			Data   struct{ Result []struct{ Value [2]any } }
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatalf("%s: %v: %s", expr, err, last)
		}
		if answer.Status != "success" {
			t.Errorf("%s: %s: %s", what, expr, last)
			return
		}
		for _, r := range answer.Data.Result {
			if r.Value[1] != "NaN" {
				return
			}
		}
	}
	t.Errorf("%s: no answer to %s: %s", what, expr, last)
}
