package mlcache

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Rule says how answers that read a table are cached. For each table the last
// rule that matches counts, alone, so a rule without settings brings the defaults
// back. A statement that reads several tables is held to all of their rules:
// it is off if one of them is, and a duration is the smallest of them, where none
// counts as zero, except for TTL.
type Rule struct {
	// Tables is "table", "schema.table", "schema.*" or "*", spelt as in the
	// database. A view stands for the tables behind it.
	Tables string
	// Off keeps the tables' answers out of the cache.
	Off bool
	// TTL limits how long answers are kept, at each level; zero for no limit of its
	// own. It only shortens.
	TTL time.Duration
	// Stale is for queries without a bound of their own; see [WithStale].
	Stale time.Duration
	// StaleIfError is for queries without a bound of their own; see [WithStaleIfError].
	StaleIfError time.Duration
	// EarlyRefresh is for queries without a time of their own; see [WithEarlyRefresh].
	EarlyRefresh time.Duration
}

// The limits of what a file of rules can hold.
const (
	maxRulesText = 1 << 20
	maxRules     = 10_000
)

// String writes the rule as ParseRules reads it.
func (r Rule) String() string {
	var set []string
	if r.Off {
		set = append(set, "off")
	}
	for _, s := range ruleSettings {
		if d := *s.field(&r); d != 0 {
			set = append(set, s.name+"="+d.String())
		}
	}
	if set == nil {
		set = []string{"on"}
	}
	return r.Tables + ":" + strings.Join(set, ",")
}

var ruleSettings = []struct {
	name  string
	field func(*Rule) *time.Duration
}{
	{"ttl", func(r *Rule) *time.Duration { return &r.TTL }},
	{"swr", func(r *Rule) *time.Duration { return &r.Stale }},
	{"sie", func(r *Rule) *time.Duration { return &r.StaleIfError }},
	{"early", func(r *Rule) *time.Duration { return &r.EarlyRefresh }},
}

// ParseRules reads rules as mlcache_rules and a file of rules have them: separated
// by semicolons or lines, each a table and its settings. A line that begins with #
// is a comment.
//
//	orders:ttl=5s,swr=2s; audit_log:off; catalog.*:sie=1m; *:on
//
// The settings are off, on (the defaults), ttl, swr (stale-while-revalidate), sie
// (stale-if-error) and early (early refresh), with durations such as 500ms. The
// error names the rule that cannot be read.
func ParseRules(text string) ([]Rule, error) {
	if len(text) > maxRulesText {
		return nil, fmt.Errorf("mlcache: rules of more than %d bytes", maxRulesText)
	}
	var rules []Rule
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for part := range strings.SplitSeq(line, ";") {
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			r, err := parseRule(part)
			if err != nil {
				return nil, fmt.Errorf("mlcache: rule %q: %w", part[:min(len(part), 100)], err)
			}
			rules = append(rules, r)
		}
	}
	return rules, checkRules(rules)
}

var errRule = errors.New("want table:setting,… with the settings off, on, ttl=5s, swr=2s, sie=1m, early=10s")

func parseRule(text string) (Rule, error) {
	tables, settings, ok := strings.Cut(text, ":")
	r := Rule{Tables: strings.TrimSpace(tables)}
	if !ok {
		return r, errRule
	}
	for part := range strings.SplitSeq(settings, ",") {
		name, value, hasValue := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !hasValue && (name == "off" || name == "on") {
			r.Off = name == "off"
			continue
		}
		i := slices.IndexFunc(ruleSettings, func(s struct {
			name  string
			field func(*Rule) *time.Duration
		}) bool {
			return s.name == name
		})
		if i < 0 {
			return r, errRule
		}
		d, err := time.ParseDuration(strings.TrimSpace(value))
		if err != nil || d < 0 {
			return r, errRule
		}
		*ruleSettings[i].field(&r) = d
	}
	return r, nil
}

func checkRules(rules []Rule) error {
	if len(rules) > maxRules {
		return fmt.Errorf("mlcache: %d rules, want at most %d", len(rules), maxRules)
	}
	for _, r := range rules {
		schema, table, qualified := strings.Cut(r.Tables, ".")
		if schema == "" || qualified && table == "" || strings.Contains(schema, "*") && r.Tables != "*" {
			return fmt.Errorf("mlcache: rule for %q: want table, schema.table, schema.* or *", r.Tables)
		}
		for _, s := range ruleSettings {
			if *s.field(&r) < 0 {
				return fmt.Errorf("mlcache: rule for %q: %s is negative", r.Tables, s.name)
			}
		}
	}
	return nil
}

// matches says whether the rule is for a scope.
func (r *Rule) matches(scope string) bool {
	if r.Tables == "*" || r.Tables == scope {
		return true
	}
	schema, table, ok := strings.Cut(scope, ".")
	return ok && (r.Tables == table || r.Tables == schema+".*")
}

// ruleSet is a state of the rules. It never changes once made; another state is
// another one, by which plans see that theirs is old.
type ruleSet struct{ rules []Rule }

// of returns the rule for a scope, or nil.
func (s *ruleSet) of(scope string) *Rule {
	for i := len(s.rules) - 1; i >= 0; i-- {
		if s.rules[i].matches(scope) {
			return &s.rules[i]
		}
	}
	return nil
}

// ruleBook holds the rules of a Connector: those that the program gives, and behind
// them those of a file.
type ruleBook struct {
	now atomic.Pointer[ruleSet]

	mu        sync.Mutex
	own, file []Rule
	fileText  []byte // of which file was made
}

func (b *ruleBook) setOwn(rules []Rule) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own = slices.Clone(rules)
	b.publish()
}

func (b *ruleBook) setFile(rules []Rule, text []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.file, b.fileText = rules, text
	b.publish()
}

func (b *ruleBook) text() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fileText
}

func (b *ruleBook) publish() { b.now.Store(&ruleSet{slices.Concat(b.own, b.file)}) }

// SetRules replaces the rules of Config.Rules (mlcache_rules) at run time, or those of
// an earlier call. They hold for every statement that begins later; a TTL holds for
// answers that are stored from then on. Rules of a file (mlcache_rules_file) stay, and
// come after these. Without an argument none is left but those. An error says which rule is
// bad; the old ones then stay.
func (h *Handle) SetRules(rules ...Rule) error {
	if err := checkRules(rules); err != nil {
		return err
	}
	h.connector.rules.setOwn(rules)
	return nil
}

// Rules returns the rules that hold now, those of a file last.
func (h *Handle) Rules() []Rule { return slices.Clone(h.connector.rules.now.Load().rules) }
