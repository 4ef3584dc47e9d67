package demo

import (
	"testing"
	"time"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// TestJudge: answer 1 is replaced by process 0 with a change sent at 1000 and
// returned at 1010, answer 2 by process 1 from 2000 to 2010. The bound is 100.
func TestJudge(t *testing.T) {
	t.Parallel()
	versions := []Version{{1, 0, 1010, 0}, {2, 1000, 2010, 1}, {3, 2000, 0, 0}}
	for _, test := range []struct {
		name    string
		process int
		seen    sighting
		want    verdict
		age     time.Duration
	}{
		{"current from the beginning", 1, sighting{1, 500, 10, 2}, right, -510},
		{"old within the bound", 1, sighting{1, 1110, 10, 2}, right, 100},
		{"old past the bound", 1, sighting{1, 1111, 10, 2}, tooOld, 101},
		{"old while the own change runs", 0, sighting{1, 1010, 10, 2}, right, 0},
		{"old after the own change", 0, sighting{1, 1011, 10, 2}, tooOld, 1},
		{"new while the change runs", 1, sighting{2, 1005, 1000, 2}, right, -1005},
		{"new before the change was sent", 1, sighting{2, 1005, 999, 2}, tooEarly, -1005},
		{"the other's change, old for the one that made it", 1, sighting{2, 2011, 1500, 2}, tooOld, 1},
		{"the last one stays right", 0, sighting{3, 1 << 40, 2005, 2}, right, -1},
		{"never given", 0, sighting{4, 1500, 1500, 1}, unknown, 0},
	} {
		if got, age := judge(test.seen, versions, test.process, 100); got != test.want || age != test.age {
			t.Errorf("%s: %q, age %d; want %q, %d", test.name, got, age, test.want, test.age)
		}
	}
}

func TestSightingsKeepTheExtremes(t *testing.T) {
	t.Parallel()
	s := newSightings()
	q := shop.Question{Shape: shop.TopOfCategory, Key: 7}
	s.add(q, 1, 10, 20)
	s.add(q, 1, 5, 30)
	s.add(q, 2, 40, 50)
	s.add(q, 1, 15, 18)
	got := s.of(q)
	if len(got) != 2 || got[0] != (sighting{1, 15, 18, 3}) || got[1] != (sighting{2, 40, 50, 1}) {
		t.Errorf("%+v", got)
	}
}

func TestPastForgetsChangesThatChangeNothing(t *testing.T) {
	t.Parallel()
	p := Past{Versions: []Version{{Answer: 1}}}
	p.add(1, Span{10, 20}, 0)
	p.add(2, Span{30, 40}, 1)
	if len(p.Versions) != 2 || p.Versions[0] != (Version{1, 0, 40, 1}) || p.Versions[1] != (Version{2, 30, 0, 0}) {
		t.Errorf("%+v", p.Versions)
	}
}

func TestKeysAreAddedToAnyDSN(t *testing.T) {
	t.Parallel()
	keys := [][2]string{{"mlcache_redis", "redis://:p%20w@h:1/0"}, {"mlcache_namespace", "it's"}}
	for _, test := range []struct{ dsn, want string }{
		{"postgres://h/d", "postgres://h/d?mlcache_redis=redis%3A%2F%2F%3Ap%2520w%40h%3A1%2F0&mlcache_namespace=it%27s"},
		{"postgresql://a:1,b:2/d?sslmode=disable", "postgresql://a:1,b:2/d?sslmode=disable&mlcache_redis=redis%3A%2F%2F%3Ap%2520w%40h%3A1%2F0&mlcache_namespace=it%27s"},
		{"host=h dbname=d", `host=h dbname=d mlcache_redis='redis://:p%20w@h:1/0' mlcache_namespace='it\'s'`},
	} {
		if got := withKeys(test.dsn, keys); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.dsn, got, test.want)
		}
	}
}

func TestClockIsSharedAndRuns(t *testing.T) {
	t.Parallel()
	a := now()
	time.Sleep(time.Millisecond)
	if d := now() - a; d < moment(time.Millisecond) || d > moment(10*time.Second) {
		t.Errorf("1ms took %d ns", d)
	}
}
