//go:build !go1.27

package mlcache

import "database/sql/driver"

// Before Go 1.27 database/sql lets no rows fill destinations themselves.

func scansColumns(driver.Rows) bool { return false }

func passed(r *passedRows) driver.Rows { return r }
