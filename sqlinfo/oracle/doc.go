// Package oracle holds sqlinfo against PostgreSQL's own parser.
//
// Every table that the parser finds read or written in a statement, and every
// function that it finds called, must be listed by sqlinfo, or sqlinfo must have
// refused the statement. The parser is pg_query_go, which needs cgo: it is a
// test dependency and lives in a module of its own, so that no user of mlcache
// compiles it.
package oracle
