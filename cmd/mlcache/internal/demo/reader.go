package demo

import (
	"encoding/base64"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// level is where a read was answered.
type level int

const (
	l1 level = iota
	l2
	origin
	plain // beside the cache
	levels
)

// read is one answer through the cache.
type read struct {
	answer shop.Answer
	level  level
	end    moment
	took   time.Duration
}

// ask asks through the cache and notes the answer. Which level gave it shows in
// the counts before and after, since only one read goes on at a time; a write
// meanwhile counts as no hit.
func (a *App) ask(q shop.Question) (read, error) {
	a.asking.Lock()
	defer a.asking.Unlock()
	start := now()
	answer, took, err := a.cached.Ask(a.ctx, q)
	end := now()
	if err != nil {
		return read{}, err
	}
	before, after := a.last, a.counts()
	a.last = after
	a.sightings.add(q, answer, start, end)
	r := read{answer: answer, level: origin, end: end, took: took}
	switch {
	case after.L1 > before.L1:
		r.level = l1
		a.shown.l1.Add(1)
	case after.L2 > before.L2:
		r.level = l2
		a.shown.l2.Add(1)
	default:
		a.shown.origin.Add(1)
	}
	return r, nil
}

// Drive says for how long to read, and with which questions.
type Drive struct {
	Duration time.Duration
	Seed     uint64
}

// Measured holds the times of reads by level.
type Measured struct{ Histograms [levels]Histogram }

// Plain reads past the cache, as fast as the database answers.
func (a *App) Plain(d Drive, m *Measured) error {
	times := newTimes()
	questions := a.setup.Shop.Source(d.Seed)
	for end := time.Now().Add(d.Duration); time.Now().Before(end); {
		_, took, err := a.direct.Ask(a.ctx, questions.Question())
		if err != nil {
			return err
		}
		times.add(plain, took)
		a.shown.plain.Add(1)
	}
	return times.encode(m)
}

// Load reads through the cache, one question after the other.
func (a *App) Load(d Drive, m *Measured) error {
	times := newTimes()
	questions := a.setup.Shop.Source(d.Seed)
	for end := time.Now().Add(d.Duration); time.Now().Before(end); {
		r, err := a.ask(questions.Question())
		if err != nil {
			return err
		}
		times.add(r.level, r.took)
	}
	return times.encode(m)
}

// times collects how long reads took, from 1 ns to 100 s with three digits.
type times [levels]*hdrhistogram.Histogram

func newTimes() *times {
	t := &times{}
	for i := range t {
		t[i] = hdrhistogram.New(1, int64(100*time.Second), 3)
	}
	return t
}

func (t *times) add(l level, took time.Duration) {
	// Past 100 s a client has given up: such a time is recorded as 100 s.
	_ = t[l].RecordValue(min(max(1, int64(took)), int64(100*time.Second)))
}

// Histogram is an hdrhistogram in its own compressed encoding, base64.
type Histogram string

func (t *times) encode(m *Measured) error {
	for i, h := range t {
		b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return fmt.Errorf("mlcache: encode a histogram: %w", err)
		}
		m.Histograms[i] = Histogram(base64.StdEncoding.EncodeToString(b))
	}
	return nil
}

// merge adds what another process measured.
func (t *times) merge(m Measured) error {
	for i, text := range m.Histograms {
		b, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil {
			return fmt.Errorf("mlcache: decode a histogram: %w", err)
		}
		h, err := hdrhistogram.Decode(b)
		if err != nil {
			return fmt.Errorf("mlcache: decode a histogram: %w", err)
		}
		t[i].Merge(h)
	}
	return nil
}
