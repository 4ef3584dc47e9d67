//go:build !go1.27

package integration

import "reflect"

var optionalSince127 []reflect.Type
