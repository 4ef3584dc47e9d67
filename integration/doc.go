// Package integration holds the tests over a real PostgreSQL and a real Redis,
// through the public API: what mlcache answers is compared with what pgx answers
// for the same statement, and with what PostgreSQL was asked.
//
// Run them with "make integration". Package harness starts the servers.
package integration
