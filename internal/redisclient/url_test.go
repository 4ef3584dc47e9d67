package redisclient

import "testing"

func TestIdentity(t *testing.T) {
	t.Parallel()
	same := [][]string{
		{"redis://localhost:6379", "redis://127.0.0.1", "redis://u:p@LOCALHOST/0", "redis://[::1]:6379?db=0&read_timeout=1s"},
		{"redis://a:1/2", "rediss://a:1?db=2"},
		{"redis://a:1?addr=b:2&addr=c:3", "redis://a:1?addr=c:3&addr=b:2"},
		{"redis://a:1"}, {"redis://b:1"}, {"redis://a:2"},
		{"redis://a:1?master_name=x"},
		{"unix:///run/redis.sock"}, {"unix:///run/other.sock"},
	}
	seen := make(map[string]int)
	for i, group := range same {
		for _, u := range group {
			id := Identity(u)
			if j, ok := seen[id]; ok && j != i {
				t.Errorf("%s is taken for one of %v", u, same[j])
			}
			if id != Identity(group[0]) {
				t.Errorf("%s: %q, %s: %q", u, id, group[0], Identity(group[0]))
			}
			seen[id] = i
		}
	}
}
