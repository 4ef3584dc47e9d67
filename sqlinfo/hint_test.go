package sqlinfo

import (
	"testing"
	"time"
)

func TestHints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sql  string
		want Hint
	}{
		{`SELECT 1`, Hint{}},
		{`/* mlcache: off */ SELECT 1`, Hint{Mode: HintOff}},
		{`SELECT 1 -- MLCACHE: on`, Hint{Mode: HintOn}},
		{`SELECT 1 /* mlcache:on,ttl=90s */;`, Hint{Mode: HintOn, TTL: 90 * time.Second}},
		{`SELECT 1; /* mlcache: ttl = 2m */`, Hint{TTL: 2 * time.Minute}},
		{`/* app */ /* mlcache: on */ SELECT 1 /* mlcache: ttl=1s */`, Hint{Mode: HintOn, TTL: time.Second}},
		{`SELECT /* mlcache: off */ 1`, Hint{}},
		{`SELECT '/* mlcache: off */'`, Hint{}},
		{`/* mlcache: swr=2s, sie=1m, early = 10s */ SELECT 1`, Hint{Stale: 2 * time.Second, StaleIfError: time.Minute, EarlyRefresh: 10 * time.Second}},
		{`/* mlcache: swr=0s */ SELECT 1`, Hint{Stale: -1}},
		{`/* mlcache: swr=-1s */ SELECT 1`, Hint{Bad: " swr=-1s"}},
		{`/* mlcache: sie */ SELECT 1`, Hint{Bad: " sie"}},
		{`/* mlcache: sometimes */ SELECT 1`, Hint{Bad: " sometimes"}},
		{`/* mlcache: on, ttl=-1s */ SELECT 1`, Hint{Bad: " on, ttl=-1s"}},
	} {
		if got := Parse(c.sql).Hint; got != c.want {
			t.Errorf("%s: %+v", c.sql, got)
		}
	}
}
