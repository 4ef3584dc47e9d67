package sqlinfo

import (
	"strings"
	"time"
)

// HintMode is what a hint says about caching.
type HintMode uint8

const (
	HintNone HintMode = iota
	HintOn
	HintOff
)

// String gives "", "on" or "off".
func (m HintMode) String() string {
	return [...]string{"", "on", "off"}[min(m, HintOff)]
}

// Hint is what a comment such as /* mlcache: on, ttl=30s */ before or after the
// statement asks for. The last such comment wins, field by field.
type Hint struct {
	// Mode is HintNone when the hint does not say.
	Mode HintMode
	// TTL is how long the answer may be kept; 0 when the hint does not say.
	TTL time.Duration
	// Stale (swr), StaleIfError (sie) and EarlyRefresh (early) are zero when the hint
	// does not say, and negative when it says 0s: none, whatever others say.
	Stale, StaleIfError, EarlyRefresh time.Duration
	// Bad is the text of a hint that could not be read, cut at 64 bytes; such a
	// hint changes nothing else.
	Bad string
}

const hintPrefix = "mlcache:"

// read takes the text of one comment, markers included, into h.
func (h *Hint) read(comment string) {
	s := strings.TrimPrefix(comment, "--")
	if len(s) == len(comment) {
		s = strings.TrimSuffix(strings.TrimPrefix(s, "/*"), "*/")
	}
	s = strings.TrimSpace(s)
	if len(s) < len(hintPrefix) || !strings.EqualFold(s[:len(hintPrefix)], hintPrefix) {
		return
	}
	s = s[len(hintPrefix):]
	next := *h
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		key, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "on":
			next.Mode = HintOn
		case "off":
			next.Mode = HintOff
		case "ttl":
			d, err := time.ParseDuration(strings.TrimSpace(value))
			if err != nil || d <= 0 {
				h.Bad = strings.ToValidUTF8(s[:min(len(s), 64)], "")
				return
			}
			next.TTL = d
		case "swr", "sie", "early":
			d, err := time.ParseDuration(strings.TrimSpace(value))
			if err != nil || d < 0 {
				h.Bad = strings.ToValidUTF8(s[:min(len(s), 64)], "")
				return
			}
			if d == 0 {
				d = -1
			}
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "swr":
				next.Stale = d
			case "sie":
				next.StaleIfError = d
			default:
				next.EarlyRefresh = d
			}
		default:
			h.Bad = strings.ToValidUTF8(s[:min(len(s), 64)], "")
			return
		}
	}
	*h = next
}
