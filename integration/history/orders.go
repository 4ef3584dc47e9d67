package history

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// order is what a worker can be told while it works, as a line of JSON.
type order struct {
	// Do is one of the list below.
	Do string
	// Register is written by a single statement, or held.
	Register int `json:",omitempty"`
	// For is how long the statement may take; or how long the row is held.
	For time.Duration `json:",omitempty"`
	// Tenant: names stand for the tables of the tenant.
	Tenant bool `json:",omitempty"`
	// Mark is what the name of the write begins with.
	Mark string `json:",omitempty"`
}

const (
	orderHold  = "hold"  // write nothing more
	orderWrite = "write" // write again
	orderPath  = "path"  // names stand for other tables, by the server's search_path
	orderOnce  = "once"  // make one change at once
	orderKeep  = "keep"  // make one change in a transaction that is open for a while
)

// obey carries out what the worker is told after its Orders, until it is told to
// stop by the end of in. carryOut works beside the clients.
func (w *worker) obey(in *bufio.Reader, carryOut func(order)) {
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var o order
		switch err := json.Unmarshal(line, &o); {
		case err != nil:
			w.violation("an order that cannot be read: %q", line)
		case o.Do == orderHold:
			w.held.Store(true)
		case o.Do == orderWrite:
			w.held.Store(false)
		case o.Do == orderPath:
			w.moved.Store(o.Tenant)
		default:
			carryOut(o)
		}
	}
}

// carryOut makes the change of an order.
func (c *client) carryOut(o order) {
	c.mark = o.Mark
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	t := c.targetAt(c.Shape.Place(o.Register))
	switch o.Do {
	case orderOnce:
		c.writeBy(ctx, ways[0], t, o.For)
	case orderKeep:
		c.writeBy(ctx, way{run: func(ctx context.Context, c *client, ts []*target) error {
			return c.transaction(ctx, ts, func(tx *sql.Tx) error {
				time.Sleep(o.For)
				return tx.Commit()
			})
		}}, t, 0)
	}
}
