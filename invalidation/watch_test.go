package invalidation

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestWatcherTellsWhatAMessageMeans(t *testing.T) {
	const birth, epoch, other = "00000000000000b1", "00000000000000e1", "00000000000000e2"
	var got []string
	w := newWatcher([]any{birth, epoch, "5"}, func(e Event) {
		got = append(got, fmt.Sprintf("%s%d%s%s%d", e.Kind, e.Sequence, e.Scopes, e.Fenced, e.Many))
	})
	for _, m := range []string{
		"1 " + birth + " " + epoch + " 5 6 1 00000000000000aao1:t",
		"1 " + birth + " " + epoch + " 6 8 2 00000000000000abo1:t00000000000000acf1:u",
		"rubbish",
		"1 " + birth + " " + epoch + " 8 9 0 ", // rolled back
		"1 " + birth + " " + epoch + " 10 11 1 00000000000000ado1:t",  // 10 was lost
		"1 " + birth + " " + epoch + " 9 10 1 00000000000000aeo1:t",   // and comes late
		"1 " + birth + " " + other + " 11 12 0 ",                      // everything
		"1 " + birth + " " + other + " 12 900 888 ",                   // too many to be named
		"1 00000000000000b2 " + epoch + " 0 3 1 00000000000000afo1:t", // another hash
		"1 00000000000000b2 " + epoch + " 3 4 1 00000000000000bao1:t",
	} {
		w.message(m, time.Now())
	}
	want := []string{
		"release6[t][]0", "release8[t u][u]0", "missed0[][]0", "release11[t][]0", "epoch12[][]0", "release900[][]888",
		"birth3[][]0", "release4[t][]0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestStateOfAHash(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s := State{Now: now}
	if err := s.header([]any{"00000000000000b1", "00000000000000e1", "1000250", "17", "16", ";a:1000100;b:999999"}); err != nil {
		t.Fatal(err)
	}
	s.scope("st", "00000000000000aa;x:1002000;!y:1009000")
	s.scope("su", "00000000000000ab")
	s.scope("sbad", "short")
	s.scope("c1", "st")
	want := State{
		Exists: true, Now: now, Birth: "00000000000000b1", Epoch: 0xe1, Sequence: 17, Published: 16, Quarantine: 250 * time.Millisecond,
		Scopes: 2, Names: []string{"t", "u"}, Fences: []FenceState{{"", 100 * time.Millisecond}, {"t", 2 * time.Second}},
	}
	if fmt.Sprint(s) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	for _, bad := range [][]any{{nil, nil, nil, nil, nil, nil}, {"b", "00000000000000e1", nil, nil, nil, nil}, {"00000000000000b1", "0", nil, nil, nil, nil}} {
		var s State
		if err := s.header(bad); err == nil {
			t.Errorf("%v passes for a hash of ours", bad)
		}
	}
}
