//go:build !go1.27

package dbconn

import "database/sql/driver"

// Before Go 1.27 database/sql lets no rows fill destinations themselves.

// ScansColumns says whether rows fill destinations themselves.
func ScansColumns(driver.Rows) bool { return false }

func asScanner(r *wrappedRows) driver.Rows { return r }
