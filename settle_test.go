package mlcache

import (
	"testing"
	"time"

	"github.com/mlcache/mlcache/invalidation"
)

// A process that is asked about later than another one may have the number of one that has ended
// in between, and is the one that is meant all the same.
func TestAProcessWithTheNumberOfAnother(t *testing.T) {
	a := &asker{}
	ask := func(holder string, now, began float64) bool {
		act := &activity{now: now, processes: map[string]float64{"7": began}}
		d := invalidation.Doubt{ID: "fence", Holders: []string{holder}}
		return a.inquiry(d, time.Now(), act).over(d, time.Now(), act)
	}
	if ask("server/7-1", 100, 50) {
		t.Error("over, and its process is there")
	}
	if !ask("server/7-1", 110, 105) {
		t.Error("not over, and its process has gone")
	}
	if ask("server/7-2", 120, 105) {
		t.Error("over, and the process that it is about now is there")
	}
}

// Who is not known is waited for as long as before, whoever else can carry the change out.
func TestOthersDoNotBeginTheWaitForTheUnknownAnew(t *testing.T) {
	a := &asker{}
	begun := time.Now()
	over := false
	for i := range 30 {
		act := &activity{now: float64(100 + i), processes: map[string]float64{"7": 50}}
		holders := []string{"server/?", "server/8-" + string(rune('a'+i))}
		d := invalidation.Doubt{ID: "fence", Holders: holders}
		now := begun.Add(time.Duration(i) * time.Second)
		over = a.inquiry(d, now, act).over(d, now, act)
		if over && i < int(arrivesWithin/time.Second) {
			t.Fatalf("over after %d seconds", i)
		}
	}
	if !over {
		t.Error("never over")
	}
}
