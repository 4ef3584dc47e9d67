package mlcache

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const keyPrefix = "mlcache_"

// dsnKeys maps each DSN key to what it sets. The setters may assume nothing
// about the order of keys; what depends on two keys is checked by validate.
var dsnKeys = map[string]func(c *Config, value string) error{
	"mlcache_redis":         func(c *Config, v string) error { c.Redis = v; return nil },
	"mlcache_redis_mode":    func(c *Config, v string) error { c.RedisMode = v; return nil },
	"mlcache_namespace":     func(c *Config, v string) error { c.Namespace = v; return nil },
	"mlcache_mode":          func(c *Config, v string) error { c.Mode = Mode(v); return nil },
	"mlcache_consistency":   func(c *Config, v string) error { c.Consistency = Consistency(v); return nil },
	"mlcache_on_redis_down": func(c *Config, v string) error { c.OnRedisDown = OnRedisDown(v); return nil },
	"mlcache_max_staleness": func(c *Config, v string) error { return setDuration(&c.MaxStaleness, "mlcache_max_staleness", v) },
	"mlcache_l1_size":       setL1Size,
	"mlcache_l1_ttl":        func(c *Config, v string) error { return setDuration(&c.L1TTL, "mlcache_l1_ttl", v) },
	"mlcache_l1_max_ttl":    func(c *Config, v string) error { return setDuration(&c.L1MaxTTL, "mlcache_l1_max_ttl", v) },
	"mlcache_l2_ttl":        func(c *Config, v string) error { return setDuration(&c.L2TTL, "mlcache_l2_ttl", v) },
	"mlcache_max_rows":      setMaxRows,
	"mlcache_max_bytes":     setMaxBytes,
	"mlcache_tables":        func(c *Config, v string) error { c.Tables = splitList(v); return nil },
	"mlcache_skip_tables":   func(c *Config, v string) error { c.SkipTables = splitList(v); return nil },
	"mlcache_written_often": func(c *Config, v string) error { c.WrittenOften = WrittenOften(v); return nil },
	"mlcache_warm_keys":     setWarmKeys,
	"mlcache_key_file":      func(c *Config, v string) error { c.EntryKeyFile = v; return nil },
	"mlcache_rules":         setRules,
	"mlcache_rules_file":    func(c *Config, v string) error { c.RulesFile = v; return nil },
}

// ParseConfig splits a DSN, in URL or keyword/value form, into what mlcache
// reads and what is left for pgx (Config.DSN). An unknown mlcache_ key is an
// error that lists the valid ones; a bad value is an error that names key and
// value. No error shows a password.
func ParseConfig(dsn string) (*Config, error) {
	rest, own, err := splitDSN(dsn)
	if err != nil {
		return nil, err
	}
	c := &Config{DSN: rest}
	seen := make(map[string]bool, len(own))
	for _, kv := range own {
		set, ok := dsnKeys[kv.key]
		if !ok {
			return nil, fmt.Errorf("mlcache: unknown DSN key %q: valid keys are %s", kv.key, strings.Join(validKeys(), ", "))
		}
		if seen[kv.key] {
			return nil, fmt.Errorf("mlcache: DSN key %q is given twice", kv.key)
		}
		seen[kv.key] = true
		if kv.value == "" && kv.key != "mlcache_redis" && kv.key != "mlcache_tables" && kv.key != "mlcache_skip_tables" {
			return nil, badValue(kv.key, kv.value, "it is empty")
		}
		if err := set(c, kv.value); err != nil {
			return nil, err
		}
	}
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	return c, nil
}

func validKeys() []string {
	keys := make([]string, 0, len(dsnKeys))
	for k := range dsnKeys {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

type keyValue struct{ key, value string }

// splitDSN takes the mlcache_ keys out and leaves every other byte as it is, so
// that pgx reads, and reports, just what the user wrote.
func splitDSN(dsn string) (rest string, own []keyValue, err error) {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		return splitURL(dsn)
	}
	rest, own = splitKeywords(dsn)
	return rest, own, nil
}

func splitURL(dsn string) (rest string, own []keyValue, err error) {
	head, fragment, hasFragment := strings.Cut(dsn, "#")
	head, query, hasQuery := strings.Cut(head, "?")
	if !hasQuery {
		return dsn, nil, nil
	}
	var kept []string
	for _, part := range strings.Split(query, "&") {
		rawKey, rawValue, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(rawKey)
		if err != nil || !isOwnKey(key) {
			kept = append(kept, part)
			continue
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return "", nil, fmt.Errorf("mlcache: %s: its value is not URL-encoded", key)
		}
		own = append(own, keyValue{key, value})
	}
	rest = head
	if len(kept) > 0 {
		rest += "?" + strings.Join(kept, "&")
	}
	if hasFragment {
		rest += "#" + fragment
	}
	return rest, own, nil
}

// splitKeywords follows libpq's keyword/value form (PostgreSQL manual 34.1.1.1):
// key = value or key = 'value', backslash escapes in both. What it cannot read
// it leaves to pgx, which has the error message for it.
func splitKeywords(dsn string) (rest string, own []keyValue) {
	var kept strings.Builder
	for i := 0; i < len(dsn); {
		start := i
		eq := strings.IndexByte(dsn[i:], '=')
		if eq < 0 {
			kept.WriteString(dsn[i:])
			break
		}
		key := strings.Trim(dsn[i:i+eq], " \t\n\r\v\f")
		i += eq + 1
		for i < len(dsn) && isSpace(dsn[i]) {
			i++
		}
		var value strings.Builder
		quoted := i < len(dsn) && dsn[i] == '\''
		if quoted {
			i++
		}
		closed := !quoted
		for i < len(dsn) {
			b := dsn[i]
			if b == '\\' && i+1 < len(dsn) {
				value.WriteByte(dsn[i+1])
				i += 2
				continue
			}
			if quoted && b == '\'' {
				i++
				closed = true
				break
			}
			if !quoted && isSpace(b) {
				break
			}
			value.WriteByte(b)
			i++
		}
		if !isOwnKey(key) || !closed {
			kept.WriteString(dsn[start:i])
			continue
		}
		own = append(own, keyValue{key, value.String()})
	}
	if len(own) == 0 {
		return dsn, nil
	}
	return strings.TrimSpace(kept.String()), own
}

// isOwnKey ignores case, so that a misspelt MLCACHE_MODE is an error of ours and
// not a run-time parameter that the server rejects.
func isOwnKey(key string) bool {
	return len(key) >= len(keyPrefix) && strings.EqualFold(key[:len(keyPrefix)], keyPrefix)
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

func setDuration(field *time.Duration, key, value string) error {
	d, err := time.ParseDuration(value)
	if err != nil {
		return badValue(key, value, "want a duration such as 500ms or 30s")
	}
	if d <= 0 {
		return badValue(key, value, "want a positive duration")
	}
	*field = d
	return nil
}

func setL1Size(c *Config, value string) error {
	n, ok := parseSize(value)
	if !ok {
		return badValue("mlcache_l1_size", value, "want a size such as 64MiB, or 0 for no L1")
	}
	if n == 0 {
		n = -1
	}
	c.L1Size = n
	return nil
}

func setRules(c *Config, value string) (err error) {
	if c.Rules, err = ParseRules(value); err != nil {
		return badValue("mlcache_rules", value, err.Error())
	}
	return nil
}

func setWarmKeys(c *Config, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return badValue("mlcache_warm_keys", value, "want a number")
	}
	c.WarmKeys = n
	return nil
}

func setMaxRows(c *Config, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		return badValue("mlcache_max_rows", value, "want a positive number")
	}
	c.MaxRows = n
	return nil
}

func setMaxBytes(c *Config, value string) error {
	n, ok := parseSize(value)
	if !ok || n == 0 {
		return badValue("mlcache_max_bytes", value, "want a size such as 1MiB")
	}
	c.MaxBytes = n
	return nil
}

// sizeUnits is in the order of trial: a longer suffix before one it ends with.
var sizeUnits = []struct {
	suffix string
	factor int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"b", 1}, {"", 1},
}

// parseSize reads a whole number of bytes with an optional unit. It is not
// negative and fits an int64.
func parseSize(s string) (int64, bool) {
	lower := strings.ToLower(strings.TrimSpace(s))
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n > uint64(math.MaxInt64/u.factor) {
			return 0, false
		}
		return int64(n) * u.factor, true
	}
	return 0, false
}

func splitList(s string) []string {
	var out []string
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
