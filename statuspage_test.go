package mlcache_test

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/mlcache/mlcache"

	"database/sql"
)

type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no database") }
func (nowhere) Driver() driver.Driver                        { return nil }

func statusHandler(t *testing.T) http.Handler {
	t.Helper()
	c, err := mlcache.NewConnector(nowhere{}, &mlcache.Config{Namespace: "<script>alert(1)</script>"})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	return h.Handler()
}

func get(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

// The page of a cache that nobody has used yet, without Redis.
func TestEmptyStatusPage(t *testing.T) {
	h := statusHandler(t)
	w := get(h, http.MethodGet, "/debug/mlcache?explain="+url.QueryEscape("SELECT now() -- </textarea><script>alert(2)</script>"))
	body := w.Body.String()
	if w.Code != http.StatusOK || !strings.Contains(body, "</html>") {
		t.Fatalf("%d: %s", w.Code, body)
	}
	if strings.Contains(body, "<script>alert") {
		t.Error("a text becomes a script")
	}
	policy := w.Header().Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`script-src 'nonce-(\w{20,})'`).FindStringSubmatch(policy)
	if nonce == nil || !strings.HasPrefix(policy, "default-src 'none'") || strings.Count(body, `nonce="`+nonce[1]+`"`) != 2 {
		t.Errorf("policy %q", policy)
	}
	if again := get(h, http.MethodGet, "/").Header().Get("Content-Security-Policy"); again == policy {
		t.Error("the nonce is the same twice")
	}
	for _, foreign := range []string{"http://", "https://", "//cdn", "@import", "style=", "onclick"} {
		if strings.Contains(body, foreign) {
			t.Errorf("the page has %q", foreign)
		}
	}
	if long := get(h, http.MethodGet, "/?explain="+strings.Repeat("x", 40<<10)); !strings.Contains(long.Body.String(), "too long") {
		t.Error("a text without limit is explained")
	}
}

func TestStatusPageIsReadOnly(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if w := get(statusHandler(t), method, "/?format=json"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

func TestStatusAsJSON(t *testing.T) {
	w := get(statusHandler(t), http.MethodGet, "/?format=json")
	var r mlcache.Status
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if r.Namespace != "<script>alert(1)</script>" || r.Redis != nil || len(r.Levels) != 3 || r.At.IsZero() || len(r.History) != 1 {
		t.Errorf("%+v", r)
	}
	if strings.Contains(w.Body.String(), "<script>") || w.Header().Get("Content-Type") != "application/json" {
		t.Error("a browser could take it for a page")
	}
	if strings.Contains(w.Body.String(), ":null") {
		t.Errorf("a list is null: %s", w.Body)
	}
}
