// Package dbconn uses a connection of the driver underneath. Its functions do what database/sql does with a connection that
// lacks an optional interface, since database/sql sees only mlcache's connection, which has them all; and they know what
// pgx adds.
package dbconn
