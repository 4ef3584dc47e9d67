//go:build go1.27

package integration

import (
	"database/sql/driver"
	"reflect"
)

var optionalSince127 = []reflect.Type{reflect.TypeFor[driver.RowsColumnScanner]()}

// scansColumns: database/sql hands destinations to the driver.
const scansColumns = true
