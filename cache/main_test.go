package cache_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain leaves out the examples that need a Redis where REDIS_URL names none.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("REDIS_URL") == "" {
		skip := flag.Lookup("test.skip")
		pattern := "^Example.*_redis$"
		if old := skip.Value.String(); old != "" {
			pattern = old + "|" + pattern
		}
		if err := skip.Value.Set(pattern); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
