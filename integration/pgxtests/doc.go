// Package pgxtests runs the tests of pgx's own database/sql driver over mlcache.
// They are copied at run time from the module cache, at the version that go.mod
// names; no copy is kept.
package pgxtests
