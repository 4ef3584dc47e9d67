// Package status shows what a cache does, for an operator with a browser:
//
//	handle, err := mlcache.From(db)
//	…
//	mux.Handle("/debug/mlcache", status.Handler(handle))
//
// It is a package of its own because net/http would be the larger part of what a
// program pays for importing mlcache.
package status

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/mlcache/mlcache"
)

const (
	// explainTimeout is how long the catalog may take to be read, if it is not known yet.
	explainTimeout = 5 * time.Second
	// maxExplain is the longest text that is explained, in bytes.
	maxExplain = 32 << 10
)

// Handler returns the status page of a cache, and at ?format=json the same figures as a
// Report. Mount it at any path, where only operators come: it shows the statements
// and tables of the program, though never an argument's value or a constant. It reads
// only, and answers GET and HEAD. ?explain=SQL says what mlcache makes of a
// statement; the statement is not run.
func Handler(handle *mlcache.Handle) http.Handler {
	return &page{handle}
}

type page struct{ handle *mlcache.Handle }

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		_ = json.NewEncoder(w).Encode(NewReport(p.handle)) // the reader has gone
		return
	}
	nonce := rand.Text()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'", nonce, nonce))
	v := view{Report: NewReport(p.handle), Nonce: nonce}
	v.explain(r.Context(), p.handle, r.URL.Query().Get("explain"))
	_ = html.Execute(w, &v)
}

// view is what the template shows.
type view struct {
	*Report
	Nonce string

	SQL     string
	TooLong bool
	Explained,
	NotExplained bool
	Explanation mlcache.Explanation
}

func (v *view) explain(ctx context.Context, handle *mlcache.Handle, sql string) {
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
