package catalog

import "strings"

// Scope joins a schema and a table to the name under which the table's versions
// are kept. A part that holds anything but lower-case ASCII letters, digits,
// underscores and bytes outside ASCII is put in double quotes, with quotes
// inside doubled, so that different tables never share a scope.
func Scope(schema, table string) string {
	var b strings.Builder
	b.Grow(len(schema) + 1 + len(table))
	if schema != "" {
		scopePart(&b, schema)
		b.WriteByte('.')
	}
	scopePart(&b, table)
	return b.String()
}

func scopePart(b *strings.Builder, part string) {
	plain := part != ""
	for i := 0; i < len(part) && plain; i++ {
		c := part[i]
		plain = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c >= 0x80
	}
	if plain {
		b.WriteString(part)
		return
	}
	b.WriteByte('"')
	b.WriteString(strings.ReplaceAll(part, `"`, `""`))
	b.WriteByte('"')
}
