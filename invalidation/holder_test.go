package invalidation

import (
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
	for range 100 {
		s.need("server/1-1", true)
		s.leave("server/1-1", time.Now())
		v.HolderGone("server/1-1")
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
