package catalog

import (
	"fmt"
	"testing"

	"github.com/mlcache/mlcache/sqlinfo"
)

func BenchmarkResolve(b *testing.B) {
	s := newSchema()
	s.builtins("lower", "count")
	var last int
	for i := range 1000 {
		id := s.table(fmt.Sprintf("t%d", i))
		if i > 0 && i%10 != 0 {
			s.key("k", id, last, "c", "a")
		}
		last = id
	}
	s.view("v", "SELECT 1 FROM public.t1", s.next)
	snap := s.snapshot()
	for name, sql := range map[string]string{
		"table":   "SELECT id, lower(name) FROM t5 WHERE id = $1",
		"join":    "SELECT a.id, count(*) FROM t5 a JOIN t6 b ON b.a = a.id LEFT JOIN v ON v.id = b.id WHERE a.x IN (1, 2) GROUP BY a.id",
		"insert":  "INSERT INTO t9 (a, b) VALUES ($1, $2)",
		"cascade": "DELETE FROM t10 WHERE id = $1",
	} {
		info := sqlinfo.Parse(sql)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				snap.ResolveText(sql, info, publicPath)
			}
		})
	}
}
