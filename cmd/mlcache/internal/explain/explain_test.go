package explain

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
)

func TestText(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ sql, want string }{
		{`SELECT count(*) FROM shop.products`, `{"kind":"read","reads":["shop.products"],"writes":[],"funcs":["count"],"cacheable":true,"reason":""}`},
		{`SELECT 1 FROM "Odd""Name" WHERE 1 < 2`, `{"kind":"read","reads":["\"Odd\"\"Name\""],"writes":[],"funcs":[],"cacheable":true,"reason":""}`},
		{`SELECT now()`, `{"kind":"read","reads":[],"writes":[],"funcs":["now"],"cacheable":false,"reason":"time_function","detail":"now","advice":"pass the moment as an argument, rounded if it can be: WHERE at > $1"}`},
		{`DELETE FROM t`, `{"kind":"write","reads":[],"writes":["t"],"funcs":[],"cacheable":false,"reason":"not_a_read","advice":"nothing: only the database can answer it"}`},
		{`BEGIN`, `{"kind":"tx","reads":[],"writes":[],"funcs":[],"cacheable":false,"reason":"transaction","advice":"nothing: only the database can answer it"}`},
	} {
		in, err := json.Marshal(test.sql)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := Stream(bytes.NewReader(in), &out, Text); err != nil || out.String() != test.want+"\n" {
			t.Errorf("%s: %v\n got %s\nwant %s", test.sql, err, out.String(), test.want)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	for _, x := range []mlcache.Explanation{
		{Kind: "read", Reads: []string{"public.a", "public.b"}, Cacheable: true, Via: map[string]string{"public.b": "view public.v"}},
		{Kind: "write", WritesAll: true, Reason: "not_a_read", Detail: "DO", Advice: "nothing"},
	} {
		if err := Print(&out, x); err != nil {
			t.Fatal(err)
		}
	}
	const want = `kind       read
reads      public.a, public.b
writes     -
functions  -
cacheable  yes
           public.b, through view public.v
kind       write
reads      -
writes     any table
functions  -
cacheable  no, not_a_read: DO
           the statement changes data or the schema
to change  nothing
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func containsAll(all, some []string) bool {
	for _, s := range some {
		found := false
		for _, a := range all {
			found = found || a == s
		}
		if !found {
			return false
		}
	}
	return true
}

func TestStreamKeepsTheOrder(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var in, out bytes.Buffer
	for i := range n {
		if i%10 == 0 { // some lines take longer than others
			fmt.Fprintf(&in, "%q\n", fmt.Sprintf("SELECT 1 FROM t%d WHERE %s", i, strings.Repeat("a = 1 AND ", 200)+"true"))
			continue
		}
		fmt.Fprintf(&in, "\"SELECT 1 FROM t%d\"\n", i)
	}
	if err := Stream(&in, &out, Text); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(&out)
	i := 0
	for ; lines.Scan(); i++ {
		var v mlcache.Explanation
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("t%d", i); !containsAll(v.Reads, []string{want}) {
			t.Fatalf("line %d reads %v", i, v.Reads)
		}
	}
	if i != n {
		t.Errorf("%d lines for %d", i, n)
	}
}

func TestStreamAnswersEveryLine(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line, kind string
		reason     mlcache.Reason
	}{
		{`"SELECT 1"`, "read", ""},
		{"\"SELECT 1\"\r", "read", ""},
		{`nonsense`, "unknown", reasonJSON},
		{`{"sql":"SELECT 1"}`, "unknown", reasonJSON},
		{`null`, "unknown", reasonJSON},
		{``, "unknown", reasonJSON},
		{`"unterminated`, "unknown", reasonJSON},
		{`"a" "b"`, "unknown", reasonJSON},
		{`"` + strings.Repeat("x", lineMax) + `"`, "unknown", reasonTooLong},
		{`"\u0000\ud800"`, "unknown", "syntax"},
	} {
		for _, end := range []string{"\n", ""} {
			var out strings.Builder
			if err := Stream(strings.NewReader(`"SELECT 1"`+"\n"+test.line+end), &out, Text); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if test.line == "" && end == "" {
				if len(lines) != 1 {
					t.Errorf("an end without a line was answered: %q", lines)
				}
				continue
			}
			var v mlcache.Explanation
			if len(lines) != 2 {
				t.Fatalf("%.50q: %d lines", test.line, len(lines))
			}
			if err := json.Unmarshal([]byte(lines[1]), &v); err != nil || v.Kind != test.kind || v.Reason != test.reason {
				t.Errorf("%.50q: %s, %v", test.line, lines[1], err)
			}
		}
	}
}

// TestStreamAnswersBeforeItWaits: a program may ask, read the answer, and ask
// again.
func TestStreamAnswersBeforeItWaits(t *testing.T) {
	t.Parallel()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Stream(inR, outW, Text) }()
	answers := bufio.NewReader(outR)
	for range 3 {
		if _, err := io.WriteString(inW, "\"COMMIT\"\n"); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() { line, _ := answers.ReadString('\n'); got <- line }()
		select {
		case line := <-got:
			if !strings.Contains(line, `"tx"`) {
				t.Fatalf("%q", line)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("no answer while the input is open")
		}
	}
	if err := errors.Join(inW.Close(), <-done); err != nil {
		t.Fatal(err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error)  { return 0, errors.New("broken pipe") }
func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestStreamReportsBrokenPipes(t *testing.T) {
	t.Parallel()
	if err := Stream(broken{}, io.Discard, Text); err == nil {
		t.Error("a broken input is no error")
	}
	failing := func(string) (mlcache.Explanation, error) { return mlcache.Explanation{}, errors.New("no database") }
	if err := Stream(strings.NewReader("\"SELECT 1\"\n\"SELECT 2\""), io.Discard, failing); err == nil {
		t.Error("an explainer's error is lost")
	}
	in := strings.NewReader(strings.Repeat("\"SELECT 1\"\n", 100_000))
	if err := Stream(in, broken{}, Text); err == nil {
		t.Error("a broken output is no error")
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("\"SELECT 1\"\nx\n\n\"\\ud800\""))
	f.Add([]byte("\"SELECT $$\xff\x00\"\n\r\n"))
	f.Add([]byte("\"WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x\""))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if err := Stream(bytes.NewReader(in), &out, Text); err != nil {
			t.Fatal(err)
		}
		want := bytes.Count(in, []byte("\n"))
		if len(in) > 0 && in[len(in)-1] != '\n' {
			want++
		}
		lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
		if lines = lines[:len(lines)-1]; len(lines) != want {
			t.Fatalf("%d lines for %d", len(lines), want)
		}
		for _, line := range lines {
			var v mlcache.Explanation
			if err := json.Unmarshal(line, &v); err != nil || v.Reads == nil || v.Writes == nil || v.Funcs == nil {
				t.Fatalf("%s: %v", line, err)
			}
			if v.Cacheable != (v.Reason == "") {
				t.Fatalf("cacheable or a reason, not both or neither: %s", line)
			}
		}
	})
}

func BenchmarkStream(b *testing.B) {
	line := []byte(`"SELECT o.id, p.name, sum(o.quantity * p.price) FROM shop.orders AS o JOIN shop.products AS p ON p.id = o.product_id WHERE o.customer_id = $1 GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10"` + "\n")
	const n = 10_000
	in := bytes.Repeat(line, n)
	b.ReportAllocs()
	for b.Loop() {
		if err := Stream(bytes.NewReader(in), io.Discard, Text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "statements/s")
}
