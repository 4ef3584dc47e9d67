package pgxtests

import (
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
