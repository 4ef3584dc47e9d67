// Package entries measures the answers of a namespace in Redis by a sample.
package entries

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Options bounds what a measurement costs.
type Options struct {
	// Look is how many keys of the database are looked at, of whatever program. 0 means
	// 1,000,000.
	Look int
	// Sample is how many answers are measured. 0 means 1,000.
	Sample int
}

// Sizes is what was found.
type Sizes struct {
	// Entries is the number of answers. It is an estimate unless Exact: not all keys
	// were looked at, or keys came and went meanwhile.
	Entries int64 `json:"entries"`
	Exact   bool  `json:"exact"`
	// Measured is how many of them the following is about.
	Measured int `json:"measured"`
	// AverageBytes and LargestBytes are of values, without their keys.
	AverageBytes int64 `json:"average_bytes"`
	LargestBytes int64 `json:"largest_bytes"`
	// AverageMemory is what Redis takes for one, key included; 0 if it does not say
	// (MEMORY USAGE).
	AverageMemory int64 `json:"average_memory"`
}

// scanCount is how many keys Redis looks at in one step.
const scanCount = 1000

// Measure looks for the answers of the namespace by SCAN. It needs the rights to
// SCAN, DBSIZE and STRLEN, and should have MEMORY USAGE.
func Measure(ctx context.Context, client redis.UniversalClient, namespace string, o Options) (Sizes, error) {
	if o.Look <= 0 {
		o.Look = 1_000_000
	}
	if o.Sample <= 0 {
		o.Sample = 1000
	}
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		m := &measurement{o: o, pattern: pattern(namespace)}
		if err := m.server(ctx, client); err != nil {
			return Sizes{}, err
		}
		return m.sizes(), nil
	}
	// Each server is given the whole of the bounds; the sums are weighed by what each has.
	var mu sync.Mutex
	var all []Sizes
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error {
		m := &measurement{o: o, pattern: pattern(namespace)}
		if err := m.server(ctx, c); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, m.sizes())
		return nil
	})
	return sum(all), err
}

func sum(all []Sizes) Sizes {
	total := Sizes{Exact: true}
	var bytes, memory int64
	for _, s := range all {
		total.Entries += s.Entries
		total.Exact = total.Exact && s.Exact
		total.Measured += s.Measured
		total.LargestBytes = max(total.LargestBytes, s.LargestBytes)
		bytes += s.AverageBytes * s.Entries
		memory += s.AverageMemory * s.Entries
	}
	if total.Entries > 0 {
		total.AverageBytes, total.AverageMemory = bytes/total.Entries, memory/total.Entries
	}
	return total
}

func pattern(namespace string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `^`, `\^`, `-`, `\-`).Replace(namespace) + ":e:*"
}

type measurement struct {
	o       Options
	pattern string

	looked, keys, found int64
	whole               bool
	sample              []string

	measured, bytes, largest int64
	memory, weighed          int64
}

func (m *measurement) server(ctx context.Context, c redis.Cmdable) error {
	size, err := c.DBSize(ctx).Result()
	if err != nil {
		return fmt.Errorf("mlcache: dbsize: %w", err)
	}
	m.keys = size
	var cursor uint64
	for {
		keys, next, err := c.Scan(ctx, cursor, m.pattern, scanCount).Result()
		if err != nil {
			return fmt.Errorf("mlcache: scan: %w", err)
		}
		m.looked += scanCount
		for _, key := range keys {
			// Algorithm R (Vitter 1985): each key found so far is in the sample with the same chance.
			if m.found++; len(m.sample) < m.o.Sample {
				m.sample = append(m.sample, key)
			} else if i := rand.Int64N(m.found); i < int64(m.o.Sample) {
				m.sample[i] = key
			}
		}
		if cursor = next; cursor == 0 {
			m.whole = true
			break
		}
		if m.looked >= int64(m.o.Look) {
			break
		}
	}
	for begin := 0; begin < len(m.sample); begin += 100 {
		if err := m.measure(ctx, c, m.sample[begin:min(begin+100, len(m.sample))]); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) measure(ctx context.Context, c redis.Cmdable, keys []string) error {
	lengths, usages := make([]*redis.IntCmd, len(keys)), make([]*redis.IntCmd, len(keys))
	// Each command's error is looked at by itself.
	_, _ = c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			lengths[i], usages[i] = p.StrLen(ctx, key), p.MemoryUsage(ctx, key)
		}
		return nil
	})
	for i := range keys {
		n, err := lengths[i].Result()
		if err != nil {
			return fmt.Errorf("mlcache: strlen: %w", err)
		}
		if n == 0 {
			continue // it has ended since it was found
		}
		m.measured++
		m.bytes += n
		m.largest = max(m.largest, n)
		if usage, err := usages[i].Result(); err == nil {
			m.weighed++
			m.memory += usage
		}
	}
	return nil
}

func (m *measurement) sizes() Sizes {
	s := Sizes{Entries: m.found, Exact: m.whole, Measured: int(m.measured), LargestBytes: m.largest}
	if !m.whole && m.looked > 0 {
		s.Entries = max(m.found, int64(float64(m.found)/float64(m.looked)*float64(m.keys)))
	}
	if m.measured > 0 {
		s.AverageBytes = m.bytes / m.measured
	}
	if m.weighed > 0 {
		s.AverageMemory = m.memory / m.weighed
	}
	return s
}
