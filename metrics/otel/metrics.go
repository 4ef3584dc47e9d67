// Package mlcacheotel hands the figures of mlcache to OpenTelemetry, and tells spans
// who answered their queries:
//
//	handle, err := mlcache.From(db)
//	…
//	registration, err := mlcacheotel.Register(otel.Meter("shop"), handle)
//	mlcacheotel.TraceReads(handle)
//
// The names, attributes and meanings are in docs/operating.md, and those of package
// metrics. OpenTelemetry has no instrument that is handed a whole histogram, so
// latencies come from a Producer, which the program gives its reader:
//
//	reader := sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithProducer(mlcacheotel.NewProducer(handle)))
package mlcacheotel

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/metrics"
)

// scope names this package to OpenTelemetry.
const scope = "github.com/mlcache/mlcache/metrics/otel"

// Register makes an observable instrument of each counter and gauge. attributes are added
// to each value: they tell the pools of a program apart. The figures are read when
// the reader collects, and queries pay nothing for it. Unregister the result before
// the sql.DB is closed for good. The error is the meter's.
func Register(meter metric.Meter, handle *mlcache.Handle, attributes ...attribute.KeyValue) (metric.Registration, error) {
	instruments := make(map[*metrics.Metric]metric.Float64Observable)
	var observables []metric.Observable
	for _, m := range metrics.All() {
		var made metric.Float64Observable
		var err error
		switch m.Type {
		case metrics.Histogram:
			continue
		case metrics.Gauge:
			made, err = meter.Float64ObservableGauge(m.Name, metric.WithDescription(m.Help), metric.WithUnit(unit(m)))
		default:
			made, err = meter.Float64ObservableCounter(m.Name, metric.WithDescription(m.Help), metric.WithUnit(unit(m)))
		}
		if err != nil {
			return nil, err
		}
		instruments[m] = made
		observables = append(observables, made)
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		stats := handle.Stats()
		for m, instrument := range instruments {
			for _, s := range m.Read(&stats) {
				o.ObserveFloat64(instrument, s.Value, metric.WithAttributeSet(set(m, s, attributes)))
			}
		}
		return nil
	}, observables...)
}

// unit follows the name, so that an exporter that makes names of units adds nothing.
func unit(m *metrics.Metric) string {
	switch {
	case strings.Contains(m.Name, "_seconds"):
		return "s"
	case strings.Contains(m.Name, "_bytes"):
		return "By"
	}
	return ""
}

func set(m *metrics.Metric, s metrics.Sample, more []attribute.KeyValue) attribute.Set {
	all := make([]attribute.KeyValue, 0, len(more)+len(m.Labels))
	all = append(all, more...)
	for i, name := range m.Labels {
		all = append(all, attribute.String(name, s.Labels[i]))
	}
	return attribute.NewSet(all...)
}

// NewProducer returns a Producer of the histograms, for a reader's WithProducer.
// attributes are those of Register.
func NewProducer(handle *mlcache.Handle, attributes ...attribute.KeyValue) sdkmetric.Producer {
	return &producer{handle, attributes, time.Now()}
}

type producer struct {
	handle     *mlcache.Handle
	attributes []attribute.KeyValue
	began      time.Time
}

func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	stats, now := p.handle.Stats(), time.Now()
	out := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: scope}}
	for _, m := range metrics.All() {
		if m.Type != metrics.Histogram {
			continue
		}
		h := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
		for _, s := range m.Read(&stats) {
			h.DataPoints = append(h.DataPoints, metricdata.HistogramDataPoint[float64]{
				Attributes: set(m, s, p.attributes), StartTime: p.began, Time: now,
				Count: s.Durations.Count(), Sum: s.Durations.Sum.Seconds(),
				Bounds: bounds(), BucketCounts: append([]uint64(nil), s.Durations.Buckets[:]...),
			})
		}
		if len(h.DataPoints) > 0 {
			out.Metrics = append(out.Metrics, metricdata.Metrics{Name: m.Name, Description: m.Help, Unit: unit(m), Data: h})
		}
	}
	return []metricdata.ScopeMetrics{out}, nil
}
