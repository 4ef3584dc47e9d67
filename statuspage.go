package mlcache

import (
	"context"
	"net/http"

	"github.com/mlcache/mlcache/internal/statuspage"
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
func (h *Handle) Handler() http.Handler {
	return &statuspage.Page{
		View: func() *statuspage.View { return h.Status().view() },
		JSON: func() any { return h.Status() },
		Explain: func(ctx context.Context, sql string) (statuspage.Explanation, error) {
			x, err := h.Explain(ctx, sql)
			return x.view(), err
		},
	}
}

// view is what the page shows of it.
func (r *Status) view() *statuspage.View {
	v := &statuspage.View{
		At: r.At, Namespace: r.Namespace, Mode: string(r.Mode), Consistency: string(r.Consistency),
		HitRate: r.HitRate, Queries: r.Queries(), Misses: r.Misses, Shared: r.Shared, Bypasses: r.Bypasses, Saved: r.Saved(),
		L1Size: r.L1Size, L1Entries: r.L1Entries, L1Evictions: r.L1Evictions, SchemaChanges: r.SchemaChanges,
		ByCalls: statementViews(r.ByCalls), BySaved: statementViews(r.BySaved), ByBypasses: statementViews(r.ByBypasses),
	}
	for _, l := range r.Levels {
		v.Levels = append(v.Levels, statuspage.Level{Level: string(l.Level), Count: l.Count, Median: l.Median, P99: l.P99})
	}
	if s := r.Redis; s != nil {
		v.Redis = &statuspage.Redis{
			Breaker: s.Breaker, Live: s.Live, Bound: s.Bound, Age: s.Age, Sent: s.Sent, Received: s.Received, Queued: s.Queued,
			OpenFences: s.OpenFences, Quarantine: s.Quarantine, Epochs: s.Epochs, Resyncs: s.Resyncs, Messages: s.Messages, Gaps: s.Gaps,
			Propagation: s.Propagation, LateReleases: s.LateReleases, FenceErrors: s.FenceErrors,
		}
	}
	for _, t := range r.Tables {
		v.Tables = append(v.Tables, statuspage.Table(t))
	}
	for _, s := range r.History {
		v.History = append(v.History, statuspage.Sample{At: s.At, L1Hits: s.L1Hits, L2Hits: s.L2Hits, Misses: s.Misses, Bypasses: s.Bypasses})
	}
	return v
}

func statementViews(list []StatementStats) []statuspage.Statement {
	var out []statuspage.Statement
	for _, s := range list {
		v := statuspage.Statement{
			Text: s.Text, Calls: s.Calls(), Hits: s.Hits, Misses: s.Misses, Bypasses: s.Bypasses, Origin: s.Origin, Saved: s.Saved,
		}
		for _, r := range sortedReasons(s.Reasons) {
			v.Reasons = append(v.Reasons, statuspage.Reason{Reason: string(r.Reason), Count: r.Count, Doc: r.Doc})
		}
		out = append(out, v)
	}
	return out
}

// view is what the page shows of it.
func (x Explanation) view() statuspage.Explanation {
	return statuspage.Explanation{
		Kind: x.Kind, Reads: x.Reads, Writes: x.Writes, WritesAll: x.WritesAll, Funcs: x.Funcs, Cacheable: x.Cacheable,
		Reason: string(x.Reason), Why: ReasonDoc(x.Reason), Detail: x.Detail, Advice: x.Advice, Via: x.Via,
	}
}
