package shop

import (
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
)

// TestAffectedNamesEveryAnswerThatChanges asks every question before and after
// each change.
func TestAffectedNamesEveryAnswerThatChanges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server, err := servers.Postgres(ctx, servers.Options{Sources: []servers.Source{servers.Binary, servers.Container, servers.Packages}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	admin, err := pgx.Connect(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := Shop{Schema: "Odd name", Products: 1500, Orders: 300}
	rows := 0
	if err := s.Create(ctx, admin, func(n int) { rows += n }); err != nil || rows != s.Rows() {
		t.Fatalf("%d rows, %v", rows, err)
	}
	db, err := sql.Open("pgx", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	asker := s.Asker(db)

	var questions []Question
	for i := range 20 {
		questions = append(questions, Question{ProductByID, int64(i)}, Question{OrdersOfCustomer, int64(i + 1)})
	}
	for i := range s.Categories() {
		questions = append(questions, Question{TopOfCategory, int64(i)}, Question{CategoryFigures, int64(i)})
	}
	everything := func() map[Question]Answer {
		t.Helper()
		answers := map[Question]Answer{}
		for _, q := range questions {
			answer, took, err := asker.Ask(ctx, q)
			if err != nil || took <= 0 {
				t.Fatalf("%v: %v, took %v", q, err, took)
			}
			answers[q] = answer
		}
		return answers
	}
	seen := map[Question][]Answer{}
	before := everything()
	for _, c := range []Change{{Product: 3}, {Product: 3, Customer: 5}, {Product: 1500, Customer: 5}, {Product: 3}, {Product: 4}, {Product: 19}} {
		affected, err := asker.Affected(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := asker.Apply(ctx, c); err != nil {
			t.Fatal(err)
		}
		after := everything()
		changed := 0
		for _, q := range questions {
			if before[q] == after[q] {
				continue
			}
			changed++
			if !slices.Contains(affected, q) {
				t.Errorf("%+v changed the answer to %v, which Affected does not name", c, q)
			}
			if slices.Contains(append(seen[q], before[q]), after[q]) {
				t.Errorf("%+v brought an old answer to %v back", c, q)
			}
			seen[q] = append(seen[q], before[q])
		}
		if changed == 0 {
			t.Errorf("%+v changed nothing", c)
		}
		before = after
	}

	if err := s.Drop(ctx, admin); err != nil {
		t.Fatal(err)
	}
	if _, _, err := asker.Ask(ctx, questions[0]); err == nil {
		t.Error("the shop is still there after Drop")
	}
	if err := asker.Apply(ctx, Change{Product: 1}); err == nil {
		t.Error("a change without a table is no error")
	}
}

func TestQuestionsComeAgainForTheSameSeed(t *testing.T) {
	t.Parallel()
	s := Shop{Products: 1000, Orders: 3000}
	a, b, other := s.Source(1), s.Source(1), s.Source(2)
	counts, differ := map[Question]int{}, false
	for range 10_000 {
		q := a.Question()
		if q != b.Question() {
			t.Fatal("the same seed gives other questions")
		}
		differ = differ || q != other.Question()
		counts[q]++
		low, high := int64(0), int64(s.Categories()-1)
		switch q.Shape {
		case ProductByID:
			low, high = 1, int64(s.Products)
		case OrdersOfCustomer:
			low, high = 1, int64(s.Customers())
		}
		if q.Key < low || q.Key > high {
			t.Fatalf("%v is out of range", q)
		}
	}
	if !differ {
		t.Error("another seed gives the same questions")
	}
	if top := slices.Max(slices.Collect(func(yield func(int) bool) {
		for _, n := range counts {
			if !yield(n) {
				return
			}
		}
	})); top < 300 {
		t.Errorf("the most popular question came only %d times of 10000", top)
	}
}

func TestFingerprintsTellResultsApart(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC)
	results := []struct {
		columns []string
		values  []any
	}{
		{[]string{"a"}, nil},
		{[]string{"b"}, nil},
		{[]string{"a", "b"}, []any{"x", "y"}},
		{[]string{"a", "b"}, []any{"xy", ""}},
		{[]string{"a", "b"}, []any{"", "xy"}},
		{[]string{"a"}, []any{""}},
		{[]string{"a"}, []any{nil}},
		{[]string{"a"}, []any{int64(1)}},
		{[]string{"a"}, []any{1.0}},
		{[]string{"a"}, []any{"1"}},
		{[]string{"a"}, []any{[]byte("1")}},
		{[]string{"a"}, []any{true}},
		{[]string{"a"}, []any{false}},
		{[]string{"a"}, []any{int32(1)}},
		{[]string{"a"}, []any{at}},
		{[]string{"a"}, []any{at.In(time.FixedZone("x", 3600))}},
		{[]string{"a"}, []any{at.Add(1)}},
	}
	seen := map[Answer]int{}
	for i, r := range results {
		f := fingerprint(r.columns, r.values)
		if j, ok := seen[f]; ok {
			t.Errorf("%v and %v look alike", results[j], r)
		}
		seen[f] = i
		if f != fingerprint(slices.Clone(r.columns), slices.Clone(r.values)) {
			t.Errorf("%v does not look like itself", r)
		}
	}
}
