package mlcache

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// DriverName is the name under which the driver is registered.
const DriverName = "mlcache"

func init() { sql.Register(DriverName, &Driver{}) }

// Driver is the driver that sql.Open("mlcache", dsn) finds.
type Driver struct {
	// connector is set on the drivers that DB.Driver returns, so that From finds
	// its way from a *sql.DB to the cache behind it. It is nil on the registered
	// one. It is a *Connector; were that its type, the linker would keep the whole
	// driver in a program that imports it and opens nothing.
	connector driver.Connector
}

var (
	_ driver.Driver        = (*Driver)(nil)
	_ driver.DriverContext = (*Driver)(nil)
)

// Open opens one connection with a cache of its own. database/sql calls
// OpenConnector instead.
func (d *Driver) Open(dsn string) (driver.Conn, error) {
	c, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := c.Connect(context.Background())
	// The cache ends with its only connection.
	return conn, errors.Join(err, c.(*Connector).Close())
}

// OpenConnector reads the DSN. It reports what is wrong with an mlcache_ key, or
// with what pgx is to read; it connects to nothing.
func (d *Driver) OpenConnector(dsn string) (driver.Connector, error) {
	cfg, err := ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	if isRegistered(cfg.DSN) {
		return newRegistered(cfg)
	}
	pgxConfig, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, err
	}
	return newConnector(stdlib.GetConnector(*pgxConfig), cfg, true, originOf(pgxConfig))
}

// isRegistered says whether a DSN is what stdlib.RegisterConnConfig returns in place of
// one. It is no regular expression, which every program that imports mlcache would
// compile when it starts.
func isRegistered(dsn string) bool {
	digits, ok := strings.CutPrefix(dsn, "registeredConnConfig")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

func newRegistered(cfg *Config) (driver.Connector, error) {
	dc, ok := stdlib.GetDefaultDriver().(driver.DriverContext)
	if !ok {
		return nil, errors.New("mlcache: this pgx has no driver.DriverContext")
	}
	origin, err := dc.OpenConnector(cfg.DSN)
	if err != nil {
		return nil, err
	}
	return newConnector(origin, cfg, true, cfg.DSN)
}
