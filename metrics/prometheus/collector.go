// Package mlcacheprom makes the figures of mlcache metrics for Prometheus:
//
//	handle, err := mlcache.From(db)
//	…
//	prometheus.MustRegister(mlcacheprom.NewCollector(handle, nil))
//
// The names, labels and meanings are in docs/operating.md, and those of package
// metrics. A scrape reads counters that are kept anyway: it takes some microseconds, and
// queries pay nothing for it.
package mlcacheprom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/latency"
	"github.com/mlcache/mlcache/metrics"
)

// Collector hands on the figures of one Handle.
type Collector struct {
	handle *mlcache.Handle
	all    []described
}

type described struct {
	*metrics.Metric
	desc *prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a Collector for a Handle. labels, which may be nil, are added
// to each metric: a program with several pools registers a Collector for each, and
// tells them apart by a label that all of them have (prometheus.Labels{"db": "shop"}).
func NewCollector(handle *mlcache.Handle, labels prometheus.Labels) *Collector {
	c := &Collector{handle: handle}
	for _, m := range metrics.All() {
		c.all = append(c.all, described{m, prometheus.NewDesc(m.Name, m.Help, m.Labels, labels)})
	}
	return c
}

// Describe is that of prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.all {
		out <- m.desc
	}
}

// Collect is that of prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	stats := c.handle.Stats()
	for _, m := range c.all {
		for _, s := range m.Read(&stats) {
			out <- m.metric(s)
		}
	}
}

func (m described) metric(s metrics.Sample) prometheus.Metric {
	var made prometheus.Metric
	var err error
	switch m.Type {
	case metrics.Histogram:
		made, err = prometheus.NewConstHistogram(m.desc, s.Durations.Count(), s.Durations.Sum.Seconds(), cumulative(s.Durations), s.Labels...)
	case metrics.Gauge:
		made, err = prometheus.NewConstMetric(m.desc, prometheus.GaugeValue, s.Value, s.Labels...)
	default:
		made, err = prometheus.NewConstMetric(m.desc, prometheus.CounterValue, s.Value, s.Labels...)
	}
	if err != nil {
		// A table's name that is no UTF-8, for instance.
		return prometheus.NewInvalidMetric(m.desc, err)
	}
	return made
}

// cumulative gives buckets as Prometheus has them: each with those below it.
func cumulative(s latency.Snapshot) map[float64]uint64 {
	out := make(map[float64]uint64, latency.Buckets)
	var n uint64
	for i, bound := range latency.Bounds() {
		n += s.Buckets[i]
		out[float64(bound)/float64(time.Second)] = n
	}
	return out
}
