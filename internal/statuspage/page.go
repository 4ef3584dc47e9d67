// Package statuspage shows what a cache does as a page of HTML without anything from elsewhere, over a view of its own.
package statuspage

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

// Page serves the page, and at ?format=json the same figures. It reads only, and answers GET and HEAD.
type Page struct {
	// View reads the figures for the page, and JSON what is encoded at ?format=json.
	View func() *View
	JSON func() any
	// Explain says what is made of a text; its error is shown as a catalog that could not be read in time.
	Explain func(ctx context.Context, sql string) (Explanation, error)
}

func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		_ = json.NewEncoder(w).Encode(p.JSON()) // the reader has gone
		return
	}
	nonce := rand.Text()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'", nonce, nonce))
	v := shown{View: p.View(), Nonce: nonce}
	v.explain(r.Context(), p.Explain, r.URL.Query().Get("explain"))
	_ = page().Execute(w, &v)
}

// shown is what the template shows.
type shown struct {
	*View
	Nonce string

	SQL     string
	TooLong bool
	Explained,
	NotExplained bool
	Explanation Explanation
}

func (v *shown) explain(ctx context.Context, explain func(context.Context, string) (Explanation, error), sql string) {
	if v.SQL = sql; sql == "" {
		return
	}
	if len(sql) > maxExplain {
		v.SQL, v.TooLong = "", true
		return
	}
	ctx, cancel := context.WithTimeout(ctx, explainTimeout)
	defer cancel()
	x, err := explain(ctx, sql)
	v.Explanation, v.Explained, v.NotExplained = x, err == nil, err != nil
}
