package mlcache

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/sqlinfo"
)

// session is what an answer depends on besides its statement, its arguments and
// the tables: who asks, and with which settings. It never changes once made; a
// connection whose session changed gets another one.
type session struct {
	// id is a digest of everything below and of every setting of the session. It
	// is a part of each key.
	id [16]byte
	// names is a digest of what plans depend on: all the fields below.
	names [16]byte
	// path is what pg_catalog.current_schemas(true) says: the schemas in which an
	// unqualified name is looked for, in order.
	path []string
	user string
	// temp are the relations in the session's temporary schema, which hide others
	// of the same name; not nil if there is such a schema. tempPlain are those on
	// which nothing hangs.
	temp, tempPlain []string
	// oldStrings: standard_conforming_strings is off, so a backslash escapes in a
	// plain literal.
	oldStrings bool
	// server is when the server was started.
	server string
	// pid is the process that serves the session, as the server says.
	pid string
	// ownTypes: the session has temporary types, of which the catalog knows nothing.
	ownTypes bool
	// blind: the text's encoding is not the one that its bytes are read in.
	blind bool
	// anyOrder: which of the schemas in path are searched, and in which order, is not
	// known; anyPath: nor are the schemas. See among.
	anyOrder, anyPath bool
	// bypass is why nothing may be answered from the cache in this session. Empty
	// if it may.
	bypass Reason
}

// catalogSession is what the catalog must know to resolve names.
func (s *session) catalogSession() catalog.Session {
	return catalog.Session{
		SearchPath: s.path, Role: s.user, TempRelations: s.temp, TempPlain: s.tempPlain,
		AnyOrder: s.anyOrder, AnyPath: s.anyPath, BackslashEscapes: s.oldStrings,
	}
}

// sessionQuery reads a session's state. Every name is qualified, so that nothing
// in the user's search_path can stand in for it.
//
// Settings that cannot change an answer are left out, or no two services would
// ever share an entry: names, logging, statistics, time-outs and the planner's.
// What remains is every setting that a session can change (PostgreSQL manual
// 54.24, pg_settings.context). A space behind a name says that a reload of the server's
// configuration leaves the setting as it is, since the session's own was set in another
// way: a session that may be moved at any time shares no answers with one that may not.
//
// The server's start is in the key since a server that was started anew may have lost
// what it had committed, and a copy of it knows nothing of what became of the original.
const sessionQuery = `SELECT k, v FROM (
SELECT 0 AS o, 'pid' AS k, pg_catalog.pg_backend_pid()::pg_catalog.text AS v
UNION ALL SELECT 1, 'database', pg_catalog.current_database()::pg_catalog.text
UNION ALL SELECT 1, 'oid', oid::pg_catalog.text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
UNION ALL SELECT 1, 'login', session_user::pg_catalog.text
UNION ALL SELECT 1, 'user', current_user::pg_catalog.text
UNION ALL SELECT 1, 'path', pg_catalog.array_to_json(pg_catalog.current_schemas(true))::pg_catalog.text
UNION ALL SELECT 1, 'standby', pg_catalog.pg_is_in_recovery()::pg_catalog.text
UNION ALL SELECT 1, 'encoding', pg_catalog.current_setting('server_encoding')
UNION ALL SELECT 1, 'server', ` + startQuery + `
UNION ALL SELECT 2, CASE WHEN source IN ('default', 'configuration file', 'environment variable') THEN name ELSE name || ' ' END, setting FROM pg_catalog.pg_settings
 WHERE context IN ('user', 'superuser')
 AND category NOT LIKE 'Reporting and Logging%' AND category NOT LIKE 'Statistics%'
 AND category NOT LIKE 'Query Tuning%' AND category NOT LIKE 'Resource Usage%' AND category NOT LIKE 'Write-Ahead Log%'
 AND name !~ '^(application_name|.*_timeout|tcp_.*|debug_.*|trace_.*|jit.*|transaction_.*|client_connection_check_interval)$'`

const sessionOrder = `
) s ORDER BY o, k, v`

// readSession asks the server for the state of the session behind q. st has the
// answer to systemQuery and the settings of libraries. salt is what the server does
// not know of and the answers depend on all the same.
func readSession(ctx context.Context, q dbconn.Querier, st *schemaState, salt string) (*session, error) {
	rows, err := q.Query(ctx, sessionQuery+st.libraries.query()+sessionOrder)
	if err != nil {
		return nil, err
	}
	rows = append(st.libraries.changed(rows), st.seen.system...)
	if hasTempSchema(rows) {
		temp, err := q.Query(ctx, catalog.QueryTemporary)
		if err != nil {
			return nil, err
		}
		for _, row := range temp {
			if len(row) != 2 || row[0] == nil || row[1] == nil {
				return nil, errUnknownSession
			}
			key := "temp"
			switch *row[1] {
			case "true":
				key = "plain temp"
			case "child":
				key = "temp child"
			case "type":
				key = "temp type"
			}
			rows = append(rows, []*string{&key, row[0]})
		}
	}
	return parseSession(rows, salt)
}

// hasTempSchema reports whether the search path of a session's state names its
// temporary schema. It does from the first temporary table on.
func hasTempSchema(rows [][]*string) bool {
	return slices.ContainsFunc(rows, func(row []*string) bool {
		return len(row) == 2 && row[0] != nil && *row[0] == "path" && row[1] != nil && strings.Contains(*row[1], `"pg_temp_`)
	})
}

func parseSession(rows [][]*string, salt string) (*session, error) {
	s := &session{}
	h := sha256.New()
	writePart := func(part string) {
		io.WriteString(h, strconv.Itoa(len(part)))
		io.WriteString(h, ":")
		io.WriteString(h, part)
	}
	writePart(salt)
	for _, row := range rows {
		if len(row) != 2 || row[0] == nil {
			return nil, fmt.Errorf("mlcache: the session's state has an unexpected form")
		}
		key, value := *row[0], ""
		if row[1] != nil {
			value = *row[1]
		}
		switch strings.TrimSuffix(key, " ") {
		case "server":
			s.server = value
		case "pid":
			s.pid = value
			continue // another one for each session
		case "path":
			if err := json.Unmarshal([]byte(value), &s.path); err != nil {
				return nil, fmt.Errorf("mlcache: the session's search path has an unexpected form")
			}
		case "user":
			s.user = value
		case "standby":
			if value == "true" {
				s.bypass = ReasonStandby
			}
		case "encoding":
			// Identifiers fold otherwise in a single-byte encoding.
			if value != "UTF8" {
				s.bypass = ReasonEncoding
			}
		case "client_encoding":
			s.blind = value != "UTF8"
		case "standard_conforming_strings":
			s.oldStrings = value == "off"
		case "temp":
			s.temp = append(s.temp, value)
		case "temp child":
			s.temp = append(s.temp, value)
			s.bypass = sqlinfo.ReasonTempTable // the parent has rows that no other session sees
		case "temp type":
			s.bypass = sqlinfo.ReasonTempTable // a name in a text may mean it, in this session only
			s.ownTypes = true
		case "plain temp":
			s.temp = append(s.temp, value)
			s.tempPlain = append(s.tempPlain, value)
		}
		writePart(key)
		writePart(value)
	}
	if s.path == nil || s.user == "" {
		return nil, fmt.Errorf("mlcache: the session's state is incomplete")
	}
	if s.temp == nil && hasTempSchema(rows) {
		s.temp = []string{}
	}
	copy(s.id[:], h.Sum(nil))
	s.digestNames()
	return s, nil
}

func (s *session) digestNames() {
	names := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %t %t %t %t %t",
		s.user, s.path, s.temp, s.tempPlain, s.oldStrings, s.blind, s.ownTypes, s.anyOrder, s.anyPath))
	copy(s.names[:], names[:])
}

// readSettings reads settings by name. One that is not set is told apart from one
// that is empty.
func readSettings(ctx context.Context, q dbconn.Querier, names []string) (map[string]string, error) {
	var sql strings.Builder
	for i, name := range names {
		if i > 0 {
			sql.WriteString(" UNION ALL ")
		}
		literal := dbconn.QuoteLiteral(name)
		sql.WriteString("SELECT " + literal + ", pg_catalog.current_setting(" + literal + ", true)")
	}
	rows, err := q.Query(ctx, sql.String())
	if err != nil {
		return nil, err
	}
	values := make(map[string]string, len(rows))
	for _, row := range rows {
		if len(row) != 2 || row[0] == nil {
			return nil, errUnknownSession
		}
		if row[1] == nil {
			values[*row[0]] = "unset"
		} else {
			values[*row[0]] = "=" + *row[1]
		}
	}
	return values, nil
}
