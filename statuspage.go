package mlcache

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

const (
	// explainTimeout is how long the catalog may take to be read, if it is not known yet.
	explainTimeout = 5 * time.Second
	// maxExplain is the longest text that is explained, in bytes.
	maxExplain = 32 << 10
)

// Handler returns the status page of the cache, and at ?format=json the same figures as a
// [Status]:
//
//	mux.Handle("/debug/mlcache", handle.Handler())
//
// Mount it at any path, where only operators come: it shows the statements
// and tables of the program, though never an argument's value or a constant. It reads
// only, and answers GET and HEAD. ?explain=SQL says what mlcache makes of a
// statement; the statement is not run.
func (h *Handle) Handler() http.Handler { return &statusPage{h} }

type statusPage struct{ handle *Handle }

func (p *statusPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the status page is read only", http.StatusMethodNotAllowed)
		return
	}
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	if r.URL.Query().Get("format") == "json" {
		head.Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(p.handle.Status()) // the reader has gone
		return
	}
	nonce := rand.Text()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'", nonce, nonce))
	v := statusView{Status: p.handle.Status(), Nonce: nonce}
	v.explain(r.Context(), p.handle, r.URL.Query().Get("explain"))
	_ = statusTemplate().Execute(w, &v)
}

// statusView is what the template shows.
type statusView struct {
	*Status
	Nonce string

	SQL     string
	TooLong bool
	Explained,
	NotExplained bool
	Explanation Explanation
}

// Chart is for the template.
func (v *statusView) Chart() *statusChart { return chartOf(v.Status) }

func (v *statusView) explain(ctx context.Context, handle *Handle, sql string) {
	if v.SQL = sql; sql == "" {
		return
	}
	if len(sql) > maxExplain {
		v.SQL, v.TooLong = "", true
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	x, err := handle.Explain(ctx, sql)
	v.Explanation, v.Explained, v.NotExplained = x, err == nil, err != nil
}
