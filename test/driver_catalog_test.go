package test

import (
	"database/sql/driver"
	"strings"
)

// isProbe tells mlcache's own statements from those of a test, none of which
// names a system catalog.
func isProbe(query string) bool {
	switch query {
	case "SHOW server_version_num", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "COMMIT", "ROLLBACK":
		return true
	}
	return strings.Contains(query, "pg_")
}

// catalogAnswer stands for a PostgreSQL with the tables t and u in the schema
// public and nothing else.
func catalogAnswer(query string) *result {
	switch {
	case query == "SHOW server_version_num", strings.HasPrefix(query, "SELECT current_setting('server_version_num')"):
		return textResult([]string{"160000"})
	case strings.Contains(query, "current_schemas(true)"):
		return textResult(
			[]string{"database", "shop"}, []string{"encoding", "UTF8"}, []string{"login", "app"},
			[]string{"oid", "16384"}, []string{"path", `["pg_catalog","public"]`}, []string{"standby", "false"},
			[]string{"user", "app"}, []string{"TimeZone", "UTC"}, []string{"client_encoding", "UTF8"},
			[]string{"standard_conforming_strings", "on"},
		)
	case strings.Contains(query, "pg_stat_activity"): // nobody but who asks is there, and nothing under way
		return textResult([]string{"standby", "false"}, []string{"now", "1000"}, []string{"1", "900"})
	case strings.Contains(query, "pg_control_system"):
		return textResult([]string{"system", "7"})
	case strings.Contains(query, "hashtextextended"):
		return textResult([]string{"the schema as it is"})
	case strings.Contains(query, "c.relrowsecurity::text"):
		return textResult(
			[]string{"16400", "public", "t", "r", "p", "false", "app"},
			[]string{"16401", "public", "u", "r", "p", "false", "app"},
		)
	default:
		return &result{}
	}
}

func textResult(rows ...[]string) *result {
	r := &result{cols: make([]column, len(rows[0]))}
	for _, row := range rows {
		values := make([]driver.Value, len(row))
		for i, s := range row {
			values[i] = s
		}
		r.rows = append(r.rows, values)
	}
	return r
}
