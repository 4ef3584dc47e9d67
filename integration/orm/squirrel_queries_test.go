package orm

import (
	"database/sql"
	"testing"
	"time"

	sq "github.com/Masterminds/squirrel"
)

var squirrelLibrary = library{"squirrel", squirrelQueries}

func squirrelQueries(_ testing.TB, db *sql.DB) []query {
	b := sq.StatementBuilder.PlaceholderFormat(sq.Dollar).RunWith(db)
	since := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC)
	run := func(q sq.SelectBuilder) func() error {
		return func() error {
			rows, err := q.Query()
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}
	}
	return []query{
		{"equal", run(b.Select("*").From("users").Where(sq.Eq{"id": 3}))},
		{"in list", run(b.Select("id", "email").From("users").Where(sq.Eq{"id": []int{1, 2, 3}}))},
		{"not in", run(b.Select("id").From("users").Where(sq.NotEq{"name": []string{"User 1", "User 2"}}))},
		{"null", run(b.Select("id").From("users").Where(sq.Eq{"deleted_at": nil}).OrderBy("id"))},
		{"and or", run(b.Select("id").From("orders").Where(sq.And{sq.Gt{"total": 50}, sq.Or{sq.Eq{"status": "paid"}, sq.Lt{"user_id": 4}}}))},
		{"like", run(b.Select("id").From("products").Where(sq.ILike{"name": "%chair%"}))},
		{"page", run(b.Select("*").From("orders").OrderBy("placed_at DESC", "id DESC").Limit(10).Offset(20))},
		{"count", run(b.Select("count(*)").From("orders").Where(sq.GtOrEq{"placed_at": since}))},
		{"join", run(b.Select("o.id", "u.email").From("orders o").Join("users u ON u.id = o.user_id").LeftJoin("items i ON i.order_id = o.id").Where(sq.Gt{"i.quantity": 2}).OrderBy("o.id"))},
		{"join using", run(b.Select("count(*)").From("product_tags").JoinClause("CROSS JOIN tags"))},
		{"group and having", run(b.Select("user_id", "sum(total) AS sum").From("orders").GroupBy("user_id").Having(sq.Gt{"count(*)": 3}).OrderBy("sum DESC"))},
		{"sub-query", run(b.Select("t.user_id").FromSelect(sq.Select("user_id", "count(*) AS n").From("orders").Where(sq.Gt{"total": 20}).GroupBy("user_id"), "t").Where(sq.Gt{"t.n": 2}))},
		{"exists", run(b.Select("id").From("users u").Where(sq.Expr("EXISTS (?)", sq.Select("1").From("orders o").Where("o.user_id = u.id AND o.total > ?", 100))))},
		{"column sub-query", run(b.Select("u.id").Column(sq.Alias(sq.Select("count(*)").From("orders o").Where("o.user_id = u.id"), "n")).From("users u").OrderBy("u.id"))},
		{"case", run(b.Select("id").Column(sq.Alias(sq.Case("status").When("'open'", "1").Else("2"), "rank")).From("orders").OrderBy("rank", "id"))},
		{"with", run(b.Select("*").Prefix("WITH big AS (SELECT user_id FROM orders WHERE total > ?)", 300).From("big"))},
		{"distinct on", run(b.Select("user_id", "id").Options("DISTINCT ON (user_id)").From("orders").OrderBy("user_id", "placed_at DESC"))},
		{"union", run(b.Select("name").From("users").Suffix("UNION ALL SELECT name FROM products ORDER BY 1"))},
		{"filter", run(b.Select("count(*) FILTER (WHERE status = 'paid')").From("orders"))},
		{"window", run(b.Select("id", "sum(total) OVER (PARTITION BY user_id ORDER BY placed_at ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)").From("orders").OrderBy("id"))},
		{"date_trunc", run(b.Select("date_trunc('day', placed_at) AS day", "count(*)").From("orders").GroupBy("day").OrderBy("day"))},
		{"extract", run(b.Select("extract(isodow FROM placed_at) AS dow", "count(*)").From("orders").GroupBy("dow").OrderBy("dow"))},
		{"json", run(b.Select("settings->'level'").From("users").Where("settings @> ?::jsonb", `{"theme": "dark"}`))},
		{"json arrow path", run(b.Select("settings #>> '{langs,0}'").From("users").OrderBy("id"))},
		{"full-text", run(b.Select("id", "ts_rank_cd(search, q) AS rank").From("products, to_tsquery('english', 'chair | lamp') q").Where("search @@ q").OrderBy("rank DESC", "id"))},
		{"headline", run(b.Select("ts_headline('english', description, plainto_tsquery('english', 'fine'))").From("products").OrderBy("id").Limit(3))},
		{"lateral", run(b.Select("u.id", "last.total").From("users u").JoinClause("CROSS JOIN LATERAL (SELECT total FROM orders o WHERE o.user_id = u.id ORDER BY placed_at DESC LIMIT 1) last").OrderBy("u.id"))},
		{"series", run(b.Select("d", "count(o.id)").From("generate_series('2025-01-15'::date, '2025-01-31'::date, '1 day') d").LeftJoin("orders o ON o.placed_at::date = d").GroupBy("d").OrderBy("d"))},
		{"rollup", run(b.Select("status", "user_id", "sum(total)").From("orders").GroupBy("ROLLUP (status, user_id)").OrderBy("1", "2"))},
		{"percentile", run(b.Select("percentile_cont(0.5) WITHIN GROUP (ORDER BY total)").From("orders"))},
		{"unnest", run(b.Select("label", "count(*)").From("products, unnest(labels) label").GroupBy("label").OrderBy("label"))},
		{"nulls", run(b.Select("coalesce(note, 'none')", "nullif(status::text, 'open')").From("orders").OrderBy("note NULLS LAST", "id"))},
		{"text functions", run(b.Select("lower(email)", "split_part(email, '@', 2)", "length(name)", "concat(name, ' <', email, '>')", "to_char(created_at, 'YYYY-MM-DD')", "md5(email)").From("users").OrderBy("id"))},
		{"regular expression", run(b.Select("id", "regexp_replace(name, '[0-9]+', '#')").From("users").Where("email ~* ?", "^USER1").OrderBy("id"))},
		{"lock", run(b.Select("id").From("orders").Where(sq.Eq{"id": 1}).Suffix("FOR UPDATE"))},
	}
}
