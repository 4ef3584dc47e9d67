package integration

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// What is known of a schema goes when the schema has changed. It is not run beside other
// tests, whose memory it would see.
func TestFormerSchemasAreLetGo(t *testing.T) {
	db := harness.Open(t, "mlcache", harness.NewDatabase(t, "CREATE TABLE item (n int)"))
	harness.Ready(t, db)
	change := func(times int) uint64 {
		for i := range times {
			harness.Exec(t, db, fmt.Sprintf("ALTER TABLE item SET (fillfactor = %d)", 50+i%50))
			harness.Query(t, db, "SELECT n FROM item")
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := change(10)
	if after := change(100); after > before+8<<20 {
		t.Errorf("100 changes of the schema left %d KiB", (after-before)>>10)
	}
}
