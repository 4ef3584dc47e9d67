// Package orm holds tests that run object mappers, query builders and migration
// tools over mlcache and compare what they get with what they get over pgx.
package orm
