package sqlinfo

import (
	"fmt"
	"strings"
	"testing"
)

const shortQuery = `SELECT id, name, price FROM products WHERE category_id = $1 AND price < $2 ORDER BY name LIMIT 20`

// longQuery is a report of 40 lines, as a person would write it.
const longQuery = `WITH recent AS (
    SELECT o.id, o.customer_id, o.created_at, o.status
    FROM orders o
    WHERE o.created_at >= $1
      AND o.created_at < $2
      AND o.status IN ('paid', 'shipped', 'delivered')
), totals AS (
    SELECT r.customer_id,
           count(DISTINCT r.id) AS orders,
           sum(oi.quantity * oi.unit_price) AS revenue,
           max(r.created_at) AS last_order
    FROM recent r
    JOIN order_items oi ON oi.order_id = r.id
    LEFT JOIN discounts d ON d.order_id = r.id AND d.active
    GROUP BY r.customer_id
    HAVING sum(oi.quantity * oi.unit_price) > 100
)
SELECT c.id,
       c.name,
       lower(c.email) AS email,
       coalesce(a.city, 'unknown') AS city,
       t.orders,
       t.revenue,
       round(t.revenue / t.orders, 2) AS average,
       rank() OVER (PARTITION BY a.country ORDER BY t.revenue DESC) AS place,
       CASE WHEN t.revenue > 10000 THEN 'gold'
            WHEN t.revenue > 1000 THEN 'silver'
            ELSE 'bronze' END AS tier,
       c.settings ->> 'language' AS language,
       date_trunc('day', t.last_order) AS last_day
FROM totals t
JOIN customers c ON c.id = t.customer_id
LEFT JOIN LATERAL (
    SELECT city, country FROM addresses
    WHERE addresses.customer_id = c.id
    ORDER BY is_default DESC, id
    LIMIT 1
) a ON true
WHERE NOT EXISTS (SELECT 1 FROM blocked b WHERE b.customer_id = c.id)
  AND c.name ILIKE $3
ORDER BY t.revenue DESC NULLS LAST, c.id
LIMIT 50 OFFSET $4`

func BenchmarkParse(b *testing.B) {
	for _, q := range []struct{ name, sql string }{{"short", shortQuery}, {"long", longQuery}} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(q.sql)))
			for b.Loop() {
				if Parse(q.sql).Refusal != "" {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkCanonical(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 4096)
	for b.Loop() {
		buf = Canonical(buf[:0], shortQuery)
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, q := range []struct{ name, sql string }{
		{"parentheses", strings.Repeat("(", 200_000)},
		{"names", "SELECT * FROM " + func() string {
			var s strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&s, "t%d,", i)
			}
			return s.String()
		}()},
		{"semicolons", strings.Repeat("a;", 400_000)},
		{"quotes", strings.Repeat("'", 1_000_001)},
		{"dollars", strings.Repeat("$a$b", 250_000)},
		{"operators", strings.Repeat("+-", 500_000)},
		{"chain", strings.Repeat("a.", 500_000)},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Parse(q.sql)
			}
		})
	}
}

func BenchmarkDateCasts(b *testing.B) {
	const sql = `SELECT date_trunc('day', created_at)::date AS day, count(*) FROM orders WHERE user_id = $1 GROUP BY 1`
	b.ReportAllocs()
	for b.Loop() {
		Parse(sql)
	}
}
