package invalidation

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// Names of connections that have been closed are not told for long: a program may open one for
// each statement.
func TestHoldersOfClosedConnectionsAreForgotten(t *testing.T) {
	v, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	s := &v.holders
	told := func() string {
		args, number := s.registration("process", time.Now())
		if number == 0 {
			return ""
		}
		s.heard(number, true)
		return args[3].(string)
	}
	for i := range 101 {
		name := "server/1-1" + strconv.Itoa(i)
		s.need(name, true)
		s.leave(name, time.Now())
		v.HolderGone(name)
	}
	s.need("server/2-2", true)
	s.need("server/3-3", true)
	v.HolderGone("server/3-3") // with a change that nobody knows the end of
	if got := told(); strings.Contains(got, "1-1") || !strings.Contains(got, "2-2") || !strings.Contains(got, "3-3") {
		t.Errorf("told of %q", got)
	}
	s.leave("server/3-3", time.Now())
	s.need("server/4-4", true)
	if got := told(); strings.Contains(got, "3-3") || !strings.Contains(got, "4-4") {
		t.Errorf("told of %q", got)
	}
}

// What is left to others is remembered within a bound. Beyond it every fence of this process
// that has ended may be one of those, which is late and never wrong.
func TestWhatIsLeftToOthersIsBounded(t *testing.T) {
	v, err := Open(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	v.leaveOver([]string{"plain"})
	if len(v.leftovers) != 0 {
		t.Error("a fence that names no holders is remembered")
	}
	for i := range 2 * maxLeftovers {
		id := v.process + "~" + strconv.Itoa(i)
		v.leaveOver([]string{overtaking + id})
		if !v.leftOver(id, time.Now()) {
			t.Fatalf("%d: known to be over", i)
		}
		if i < maxLeftovers-1 && v.leftOver("another", time.Now()) {
			t.Fatalf("%d: one that was released counts as left over", i)
		}
	}
	if len(v.leftovers) > maxLeftovers {
		t.Errorf("%d are remembered", len(v.leftovers))
	}
}
