//go:build !go1.27

package integration

import "reflect"

var optionalSince127 []reflect.Type

// scansColumns: database/sql hands destinations to the driver.
const scansColumns = false
