package history_test

import (
	"os"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/history"
)

func TestMain(m *testing.M) {
	if history.IsWorker() {
		os.Exit(history.Work(os.Stdin, os.Stdout))
	}
	harness.Main(m)
}
