package sqlinfo

import (
	"os"
	"strings"
	"testing"
)

// TestOrdinary reads statements as applications and their ORMs send them: none is
// refused, and none names what is no relation.
func TestOrdinary(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/ordinary.sql")
	if err != nil {
		t.Fatal(err)
	}
	relations := strings.Fields(`users posts pets authors orders customers bans products events documents things
		categories players a b c tags accounts stock suppliers settings`)
	for sql := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		info := Parse(sql)
		if info.Refusal != "" {
			t.Errorf("%s (%s)\n%s", info.Refusal, info.Detail, sql)
		}
		for _, n := range info.Reads {
			known := false
			for _, r := range relations {
				known = known || n == Name{Name: r}
			}
			if !known {
				t.Errorf("reads %s\n%s", n, sql)
			}
		}
	}
}
