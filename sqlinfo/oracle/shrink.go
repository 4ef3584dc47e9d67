package oracle

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// shrink takes tokens out of a text in which something is missed for as long as the
// parser accepts it and the like is missed.
func shrink(sql string, missed error) string {
	for size := len(cut(sql).tokens) / 2; size > 0; {
		shorter := false
		for i := 0; ; i++ {
			c := cut(sql)
			if i+size > len(c.tokens) {
				break
			}
			s := c.sql[:c.tokens[i].Start] + c.sql[c.tokens[i+size-1].End:]
			if tree, err := pgquery.Parse(s); err == nil {
				if err := compare(s, tree); err != nil && likeness(err) == likeness(missed) {
					sql, shorter = strings.TrimSpace(s), true
					i--
				}
			}
		}
		if !shorter {
			size /= 2
		}
	}
	return sql
}

// likeness is what two misses have in common that differ in the names only.
func likeness(missed error) string {
	words := strings.Fields(missed.Error())
	return strings.Join(words[:min(len(words), 2)], " ")
}
