package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

// browser starts a headless Chromium, until the test ends. Errors of pages, also those of
// their security policy, are errors of the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium on the PATH (Debian: apt-get install chromium): nothing can show the page")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1160, 900))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Listen(ctx, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			t.Errorf("the page throws: %s", e.ExceptionDetails.Text)
		}
	}); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// do runs the steps, which must succeed.
func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of an expression in the page.
func eval[T any](ctx context.Context, t *testing.T, expression string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

func scheme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

// The page shows what has happened, in light and in dark, and nothing that a statement
// holds becomes a part of the page. With MLCACHE_SCREENSHOTS the pictures of the documentation are
// written into that folder.
func TestStatusPage(t *testing.T) {
	shop := newShop(t)
	app := httptest.NewServer(shop.handle.Handler())
	defer app.Close()
	pictures := os.Getenv("MLCACHE_SCREENSHOTS")
	if pictures == "" {
		const hostile = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`
		harness.Query(t, shop.db, `SELECT id AS "`+strings.ReplaceAll(hostile, `"`, `""`)+`" FROM item WHERE name = 'secret' OR id = 1`)
		harness.Exec(t, shop.db, `CREATE TABLE "<script>window.pwned=1</script>" (id int)`)
		harness.Exec(t, shop.db, `INSERT INTO "<script>window.pwned=1</script>" VALUES (1)`)
	}
	calm := time.Duration(1)
	if pictures != "" {
		calm = 40
	}
	stop := shop.loadWith(t, calm)
	defer stop()
	harness.Eventually(t, settling, "hits, invalidations, bypasses", func() bool {
		s := shop.handle.Stats()
		return s.L1Hits > 200 && s.Bypasses > 20 && len(s.Tables) > 1
	})
	wait := 14 * time.Second // samples that are five seconds apart
	if pictures != "" {
		wait = 90 * time.Second
	}
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(time.Second) {
		shop.handle.History()
	}

	ctx := browser(t)
	explain := app.URL + "/?explain=" + "SELECT+name%2C+price+FROM+item+WHERE+price+%3C+%241+AND+now%28%29+%3E+%27yesterday%27"
	do(ctx, t, scheme("light"), chromedp.Navigate(explain))
	text, page := eval[string](ctx, t, "document.body.innerText"), eval[string](ctx, t, "document.documentElement.outerHTML")
	if eval[bool](ctx, t, "window.pwned === 1") {
		t.Error("a statement's text was run as a script")
	}
	if strings.Contains(page, "secret") {
		t.Error("the page shows a constant of a statement")
	}
	for _, want := range []string{
		"Hit ratio", "SELECT name, price FROM item WHERE id = $1", "time_function", "public.item", "public.orders", "bounded",
		"cacheable", "no", "answers", "live", "queries per second",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if pictures == "" && !strings.Contains(text, "<script>window.pwned=1</script>") {
		t.Error("the hostile table is not on the page")
	}

	// It renews itself.
	const first = `document.querySelector("#live .tile:nth-child(2) .big").textContent`
	before := eval[string](ctx, t, first)
	do(ctx, t, chromedp.Sleep(6*time.Second))
	if after := eval[string](ctx, t, first); before == after || after == "" {
		t.Errorf("after six seconds of load there are still %s hits", after)
	}
	// The form sends what was typed.
	eval[bool](ctx, t, `document.querySelector("textarea").value = "SELECT name FROM item"; setTimeout(() => document.querySelector("button").click()), true`)
	harness.Eventually(t, settling, "the answer to another statement", func() bool {
		answer, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("#explain dl").innerText`))
		return err == nil && strings.Contains(answer, "yes") && strings.Contains(answer, "public.item")
	})

	colours := map[string]string{}
	for _, name := range []string{"light", "dark"} {
		do(ctx, t, scheme(name), chromedp.Navigate(app.URL))
		colours[name] = eval[string](ctx, t, `getComputedStyle(document.body).backgroundColor`)
		shot, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if pictures != "" {
			if err := os.MkdirAll(pictures, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(pictures, "status-"+name+".png"), shot, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if colours["light"] == colours["dark"] || colours["light"] == "" {
		t.Errorf("colours: %v", colours)
	}
}

// What the page shows is what the handle counts, and no value of an argument or constant is in it.
func TestStatusReport(t *testing.T) {
	shop := newShop(t)
	app := httptest.NewServer(shop.handle.Handler())
	defer app.Close()
	const query = "SELECT name FROM item WHERE id = 1 AND name <> 'top secret' AND name <> $1"
	for i := range 40 {
		harness.Query(t, shop.db, query, "argued secret")
		harness.Query(t, shop.db, fmt.Sprintf("SELECT now(), %d, 'third secret'", i))
	}
	harness.Exec(t, shop.db, "UPDATE item SET name = 'fourth secret' WHERE id = $1", 77)
	harness.Query(t, shop.db, query, "argued secret")
	resp, err := http.Get(app.URL + "/?format=json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var raw json.RawMessage
	var r mlcache.Status
	if err := json.NewDecoder(resp.Body).Decode(&raw); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), "secret") {
		t.Errorf("a value is shown: %s", raw)
	}
	s := shop.handle.Stats()
	if r.L1Hits != s.L1Hits || r.Misses != s.Misses || r.Bypasses != s.Bypasses || r.HitRate != s.HitRate() || r.L1Hits < 30 {
		t.Errorf("the report %s, and %+v", raw, s)
	}
	if len(r.ByBypasses) != 1 || r.ByBypasses[0].Text != "SELECT now(), ?, …" || r.ByBypasses[0].Bypasses != 40 || r.ByBypasses[0].Reasons["time_function"] != 40 {
		t.Errorf("bypasses: %+v", r.ByBypasses)
	}
	if len(r.BySaved) != 1 || r.BySaved[0].Saved <= 0 || !strings.HasPrefix(r.BySaved[0].Text, "SELECT name FROM item WHERE id = ?") {
		t.Errorf("time saved: %+v", r.BySaved)
	}
	if len(r.Tables) != 1 || r.Tables[0].Table != "public.item" || r.Tables[0].Invalidations != 1 || r.Tables[0].LostHits != 1 {
		t.Errorf("tables: %+v", r.Tables)
	}
	if r.Redis == nil || r.Redis.Breaker != "closed" || !r.Redis.Live || r.Redis.Sent == 0 {
		t.Errorf("Redis: %+v", r.Redis)
	}
}
