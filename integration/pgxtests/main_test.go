package pgxtests

import (
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// patientRedis is the harness's Redis with time to answer: on a busy machine a
// slow answer would count as an outage.
func patientRedis() string {
	return harness.RedisURL() + "?read_timeout=10s&write_timeout=10s&dial_timeout=10s&pool_timeout=10s"
}
