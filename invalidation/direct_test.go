package invalidation

import (
	"fmt"
	"testing"
)

func TestHashIsReadOnlyWhereNothingIsOutOfTheOrdinary(t *testing.T) {
	t.Parallel()
	const birth, home = "aaaaaaaaaaaaaaaa", "f00d"
	good := func() [][]byte {
		return texts(birth, "00000000000000ff", home, "42", "40", "", "0000000000000001", "0000000000000002;!x:99;!y:98")
	}
	r, ok := parseHash(good(), birth, []byte(home))
	if !ok || r.header != (header{birth: birth, epoch: 255, seq: 42, published: 40}) {
		t.Errorf("%v, header %+v", ok, r.header)
	}
	if len(r.states) != 2 || r.states[0].nonce != 1 || r.states[1].nonce != 2 {
		t.Errorf("states %+v", r.states)
	}
	young := good()
	young[4], young[5] = nil, nil // nothing published yet, nothing ever shut
	if _, ok := parseHash(young, birth, []byte(home)); !ok {
		t.Error("a young hash is refused")
	}
	for _, bad := range []struct {
		at    int
		value string // empty for what is not there
	}{
		{0, "bbbbbbbbbbbbbbbb"}, {0, ""}, {1, ""}, {1, "0000000000000000"}, {2, "beef"}, {2, ""}, {3, ""}, {3, "-1"}, {4, "x"},
		{5, ";w:99"}, {5, ";!w:99;w:99"}, {6, ""}, {6, "1"}, {6, "0000000000000000"},
		{7, "0000000000000002;x:99"}, {7, "0000000000000002;!x:99;x:99"}, {7, "0000000000000002x"},
	} {
		values := good()
		values[bad.at] = []byte(bad.value)
		if r, ok := parseHash(values, birth, []byte(home)); ok {
			t.Errorf("%d is %q: %+v", bad.at, bad.value, r)
		}
	}
	if _, ok := parseHash(good()[:5], birth, []byte(home)); ok {
		t.Error("an answer that is too short is taken")
	}
}

func texts(values ...string) [][]byte {
	list := make([][]byte, len(values))
	for i, s := range values {
		list[i] = []byte(s)
	}
	return list
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func TestServerIdentity(t *testing.T) {
	t.Parallel()
	const info = "# Replication\r\nrole:master\r\nmaster_replid:abc1\r\nmaster_replid2:000\r\n"
	for _, c := range []struct {
		answer string
		want   string
		ok     bool
	}{
		{bulk(info), "abc1", true},
		{fmt.Sprintf("=%d\r\ntxt:%s\r\n", len(info)+4, info), "abc1", true},
		{bulk("role:slave\r\nmaster_replid:abc1\r\n"), "", false},
		{bulk("master_replid:abc1\r\nrole:slave\r\n"), "", false},
		{bulk("role:master\r\n"), "-", true},
		{bulk("master_replid:"), "", false},
		{"-ERR section (replication) is not supported\r\n", "-", true},
		{"-NOPERM\r\n", "-", false},
		{"_\r\n", "", false},
		{"$-1\r\n", "", false},
		{":1\r\n", "", false},
		{"", "", false},
	} {
		read := respReader(c.answer)
		if got, ok := serverIdentity(&read); ok != c.ok || ok && string(got) != c.want {
			t.Errorf("%q: %q, %v", c.answer, got, ok)
		}
	}
}

func TestAnswersAreReadAsFarAsTheyGo(t *testing.T) {
	t.Parallel()
	whole := "*4\r\n$3\r\nabc\r\n$-1\r\n_\r\n=7\r\ntxt:x\r\n\r\n"
	read := respReader(whole)
	n, ok := read.array()
	if !ok || n != 4 {
		t.Fatal(n, ok)
	}
	for i, want := range []string{"abc", "", "", "x\r\n"} {
		got, ok := read.text()
		if !ok || string(got) != want || (got == nil) != (want == "") {
			t.Errorf("%d: %q, %v", i, got, ok)
		}
	}
	if len(read) != 0 {
		t.Errorf("left: %q", read)
	}
	for _, bad := range []string{
		"$3\r\nab", "$3\r\nabcd\r\n", "$-2\r\n", "=-1\r\n", "=2\r\nab\r\n", "$99999999999999999999\r\n", "$9223372036854775807\r\n",
		"$\r\n", "$3", ":1\r\n", "*1\r\n", "", "\r\n",
	} {
		read := respReader(bad)
		if got, ok := read.text(); ok || string(read) != bad {
			t.Errorf("%q: %q, %v, left %q", bad, got, ok, read)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("aaaaaaaaaaaaaaaa", "00000000000000ff", bulk("role:master\r\nmaster_replid:f00d\r\n"), "42", "0000000000000001;!x:1")
	f.Fuzz(func(t *testing.T, birth, epoch, info, seq, scope string) {
		read := respReader(info)
		home, ok := serverIdentity(&read)
		if !ok {
			return
		}
		r, ok := parseHash(texts(birth, epoch, string(home), seq, "", "", scope), birth, home)
		if ok && (r.epoch == 0 || r.states[0].nonce == 0) {
			t.Errorf("%+v", r)
		}
	})
}
