package mlcacheotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/latency"
)

// The name and the attributes of the event that TraceReads adds.
const (
	EventRead = "mlcache.read"
	// LevelKey is "l1", "l2" or "origin".
	LevelKey = attribute.Key("mlcache.level")
	// ReasonKey says why the cache had no part in a query; it is missing in hits and misses.
	ReasonKey = attribute.Key("mlcache.reason")
)

// events are the options of hits and misses, made once: most queries are these.
var events = map[mlcache.Level]trace.EventOption{
	mlcache.LevelL1:     trace.WithAttributes(LevelKey.String("l1")),
	mlcache.LevelL2:     trace.WithAttributes(LevelKey.String("l2")),
	mlcache.LevelOrigin: trace.WithAttributes(LevelKey.String("origin")),
}

// TraceReads adds an event to the span of each query's context that is being
// recorded: it says which level has answered. It takes the place of the handle's OnRead;
// handle.OnRead(nil) ends it. Queries whose context has no such span pay for a
// look.
func TraceReads(handle *mlcache.Handle) {
	handle.OnRead(func(ctx context.Context, e mlcache.ReadEvent) {
		span := trace.SpanFromContext(ctx)
		switch {
		case !span.IsRecording():
		case e.Reason == "":
			span.AddEvent(EventRead, events[e.Level])
		default:
			span.AddEvent(EventRead, trace.WithAttributes(LevelKey.String(string(e.Level)), ReasonKey.String(string(e.Reason))))
		}
	})
}

func bounds() []float64 {
	var out []float64
	for _, b := range latency.Bounds() {
		out = append(out, float64(b)/float64(time.Second))
	}
	return out
}
