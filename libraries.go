package mlcache

import (
	"context"
	"strings"

	"github.com/mlcache/mlcache/internal/dbconn"
)

// librarySettings are the settings that the libraries of this database's functions
// bring with them, with their built-in values. A session can have set one before its
// library is loaded, as PL/pgSQL's is by the first call of a function: the setting
// decides then what that function answers, and pg_settings does not list it yet
// ("Customized Options" in the PostgreSQL manual). So they are asked for by name.
type librarySettings map[string]string

// query is the part of sessionQuery that asks for them.
func (l librarySettings) query() string {
	if len(l) == 0 {
		return ""
	}
	var b strings.Builder
	for name := range l {
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(" + dbconn.QuoteLiteral(libraryKey+name) + ", " + dbconn.QuoteLiteral(name) + ")")
	}
	return "\nUNION ALL SELECT 3, v.k, pg_catalog.current_setting(v.n, true) FROM (VALUES " + b.String() + ") v(k, n)"
}

const libraryKey = "library "

// changed drops those settings from the rows of a session's state that are as built
// in, so that it does not matter whether the library is loaded, and which processes
// know of it.
func (l librarySettings) changed(rows [][]*string) [][]*string {
	out := rows[:0]
	for _, row := range rows {
		if len(row) != 2 || row[0] == nil {
			return rows // parseSession refuses it
		}
		if _, ok := l[*row[0]]; ok {
			continue // it comes by libraryKey, too
		}
		if name, ok := strings.CutPrefix(*row[0], libraryKey); ok && (row[1] == nil || *row[1] == l[name]) {
			continue
		}
		out = append(out, row)
	}
	return out
}

// libraries finds out which settings there are.
type libraries struct {
	list     string // of the libraries; empty before they were first asked for
	settings librarySettings
}

// librariesQuery names each library that a function can load, and one of its
// functions. Of the server's own only that of PL/pgSQL has settings.
const librariesQuery = `SELECT p.probin::pg_catalog.text, pg_catalog.min(p.oid)::pg_catalog.text
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE l.lanname = 'c' AND (p.oid >= 16384 OR p.probin = '$libdir/plpgsql') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
GROUP BY p.probin ORDER BY 1`

// librarySettingsQuery lists the settings of the libraries that are loaded.
const librarySettingsQuery = `SELECT name, boot_val FROM pg_catalog.pg_settings WHERE name LIKE '%.%' AND context IN ('user', 'superuser')`

// of returns the settings of the database's libraries. Each library is loaded for it
// once, into the session behind q, by the function with which CREATE FUNCTION checks
// that a library has what is asked of it (fmgr_c_validator): it calls nothing in it.
// What cannot be loaded here is left out.
func (l *libraries) of(ctx context.Context, q dbconn.Querier) librarySettings {
	rows, err := q.Query(ctx, librariesQuery)
	if err != nil {
		return l.settings
	}
	var list strings.Builder
	for _, row := range rows {
		if len(row) != 2 || row[0] == nil || row[1] == nil {
			return l.settings
		}
		list.WriteString(*row[0] + "\x00")
	}
	if list.String() == l.list {
		return l.settings
	}
	// Noted before, so that a library that ends the session does so only once.
	l.list, l.settings = list.String(), librarySettings{}
	for _, row := range rows {
		load := "SELECT pg_catalog.fmgr_c_validator(" + dbconn.QuoteLiteral(*row[1]) + "::pg_catalog.oid)"
		settings, err := loadLibrary(ctx, q, load)
		if err != nil {
			continue
		}
		for _, row := range settings {
			if len(row) == 2 && row[0] != nil && row[1] != nil {
				l.settings[*row[0]] = *row[1]
			} else if len(row) == 2 && row[0] != nil {
				l.settings[*row[0]] = ""
			}
		}
	}
	return l.settings
}

// loadLibrary loads and lists in one message where it can: a pooler may give the next
// one to another session.
func loadLibrary(ctx context.Context, q dbconn.Querier, load string) ([][]*string, error) {
	if _, ok := q.(dbconn.PgxQuerier); ok {
		return q.Query(ctx, load+"; "+librarySettingsQuery)
	}
	if _, err := q.Query(ctx, load); err != nil {
		return nil, err
	}
	return q.Query(ctx, librarySettingsQuery)
}
