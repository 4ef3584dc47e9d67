// Package harness gives integration tests a real PostgreSQL and a real Redis,
// databases and namespaces of their own, a record of what the database was asked,
// and further operating system processes that use mlcache.
//
// A package of tests hands its TestMain to [Main]. The servers are containers,
// unless MLCACHE_TEST_POSTGRES and MLCACHE_TEST_REDIS name servers that run
// already. A test that needs them and finds neither fails; it is never skipped.
package harness
