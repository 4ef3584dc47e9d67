package observe

import (
	"context"
	"database/sql"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/metrics"
	mlcacheotel "github.com/mlcache/mlcache/metrics/otel"
)

func mlcacheFrom(db *sql.DB) (*mlcache.Handle, error) { return mlcache.From(db) }

// A reader of the SDK gets every metric, with the figures of Stats.
func TestOpenTelemetryMetrics(t *testing.T) {
	shop := newShop(t)
	stop := shop.load(t)
	harness.Eventually(t, settling, "hits and invalidations", func() bool {
		s := shop.handle.Stats()
		return s.L1Hits > 100 && len(s.Tables) == 2 && s.Versions.Propagation.Count() > 0
	})
	stop()
	name := attribute.String("db", "shop")
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(mlcacheotel.NewProducer(shop.handle, name)))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	registration, err := mlcacheotel.Register(provider.Meter("test"), shop.handle, name)
	if err != nil {
		t.Fatal(err)
	}
	stats := shop.handle.Stats()
	got := collect(t, reader)
	for _, m := range metrics.All() {
		want := m.Read(&stats)
		if len(want) == 0 {
			t.Errorf("%s has no value", m.Name)
		}
		for _, s := range want {
			all := []attribute.KeyValue{name}
			for i, label := range m.Labels {
				all = append(all, attribute.String(label, s.Labels[i]))
			}
			set := attribute.NewSet(all...)
			v, found := got[m.Name][set.Equivalent()]
			if !found {
				t.Errorf("%s%v is missing", m.Name, s.Labels)
			}
			if float64(s.Durations.Count()) != v && m.Type == metrics.Histogram || s.Value != v && m.Type == metrics.Counter && m.Name != "multilevel_cache_polls_total" &&
				m.Name != "multilevel_cache_redis_sent_bytes_total" && m.Name != "multilevel_cache_redis_received_bytes_total" {
				t.Errorf("%s%v is %v, want %+v", m.Name, s.Labels, v, s)
			}
		}
	}
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
}

// collect returns the values, of histograms the counts, by name and attributes.
func collect(t *testing.T, reader *sdkmetric.ManualReader) map[string]map[attribute.Distinct]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[attribute.Distinct]float64{}
	put := func(name string, set attribute.Set, v float64) {
		if out[name] == nil {
			out[name] = map[attribute.Distinct]float64{}
		}
		out[name][set.Equivalent()] = v
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[float64]:
				if !data.IsMonotonic {
					t.Errorf("%s is no counter", m.Name)
				}
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if len(p.BucketCounts) != len(p.Bounds)+1 {
						t.Errorf("%s: %d buckets for %d bounds", m.Name, len(p.BucketCounts), len(p.Bounds))
					}
					put(m.Name, p.Attributes, float64(p.Count))
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return out
}

// Each query adds an event to the caller's span that says who answered.
func TestSpanEvents(t *testing.T) {
	shop := newShop(t)
	mlcacheotel.TraceReads(shop.handle)
	exporter := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)).Tracer("test")
	read := func(query string) []attribute.KeyValue {
		exporter.Reset()
		ctx, span := tracer.Start(context.Background(), "request")
		rows, err := shop.db.QueryContext(ctx, query)
		if err != nil {
			t.Fatal(err)
		}
		harness.ReadRows(rows)
		span.End()
		events := exporter.GetSpans()[0].Events
		if len(events) != 1 || events[0].Name != mlcacheotel.EventRead {
			t.Fatalf("%s: events %+v", query, events)
		}
		return events[0].Attributes
	}
	const query = "SELECT name FROM item WHERE id = 1"
	if a := read(query); len(a) != 1 || a[0] != mlcacheotel.LevelKey.String("origin") {
		t.Errorf("a miss: %v", a)
	}
	harness.Eventually(t, settling, "a hit", func() bool {
		a := read(query)
		return len(a) == 1 && a[0] == mlcacheotel.LevelKey.String("l1")
	})
	if a := read("SELECT now()"); len(a) != 2 || a[0] != mlcacheotel.LevelKey.String("origin") || a[1] != mlcacheotel.ReasonKey.String("time_function") {
		t.Errorf("a bypass: %v", a)
	}
}
