package mlcache

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// A change can become visible after its writer has gone: its statement waits for a lock, or is on its way still. The server's
// process that serves the connection is what can make it visible, so a fence names it. Whether that has ended the server
// tells everybody, in pg_stat_activity (PostgreSQL manual 28.2.3): other columns are shown to some only, but the pid is to all. It
// leaves that list after its transaction has ended.
//
// Behind a pooler nobody knows which process that is. Then what was under way when it was asked first must have ended: every
// transaction of any session, as pg_locks shows them. That covers no statement that has not reached the server by then, so
// some time is left for that.

// backendPID is the process that serves a connection, if there is no pooler in between.
func backendPID(pc *pgx.Conn) string { return strconv.FormatUint(uint64(pc.PgConn().PID()), 10) }

// unknownHolder stands for a process that is not known, and anyServer for a server.
const (
	unknownHolder = "?"
	anyServer     = "-"
)

// maxPID is the highest number of a process on Linux. Poolers that make numbers up take any of 32 bits.
const maxPID = 1 << 22

// serverName stands for a server in the names of holders; system is the answer to systemQuery.
func serverName(system [][]*string) string {
	for _, row := range system {
		if len(row) == 2 && row[1] != nil {
			sum := sha256.Sum256([]byte(*row[1]))
			return hex.EncodeToString(sum[:4])
		}
	}
	return anyServer
}

// connections numbers those that have been given a name.
var connections atomic.Uint64

// holder names who can carry out what this connection is asked, even when this process is gone: "server/process-number". The number is
// another one for each connection of this process, since a server may give a process the number of one that has ended. It is empty for an
// origin that is no PostgreSQL.
func (c *conn) holder() string {
	st := c.schema
	if st == nil {
		if st = c.engine.schema.current.Load(); st == nil {
			return anyServer + "/" + unknownHolder
		}
	}
	if st.snapshot == nil {
		return ""
	}
	if c.held == "" || c.heldBy != st {
		process := unknownHolder
		if c.db.Pgx != nil && !c.pooled && c.db.Pgx.PgConn().PID() <= maxPID {
			pid := backendPID(c.db.Pgx)
			if c.session != nil && c.session.pid == pid || st.direct && c.connector.static {
				process = pid + "-" + strconv.FormatUint(connections.Add(1), 36)
			}
		}
		c.held, c.heldBy = st.server+"/"+process, st
	}
	return c.held
}

// letGo tells that the connection has been closed. What it had been asked and has not answered is in doubt by now.
func (c *conn) letGo() {
	if c.held != "" && !isUnknown(c.held) { // that name is others', too
		c.engine.versions.HolderGone(c.held)
	}
	c.held = ""
}
