// Package memsize tells how much memory a value holds.
package memsize

import "reflect"

// Of returns about how many bytes v holds beside its own: what its strings, slices, maps and pointers lead to, whatever
// fields there are, exported or not. A string counts in full, though it may be a part of another. Values must not refer to
// themselves.
//
// What a pointer to one of the types in cost leads to belongs to others, and counts as the map says.
func Of(v any, cost map[reflect.Type]int) int {
	return of(reflect.ValueOf(v), cost)
}

func of(v reflect.Value, cost map[reflect.Type]int) int {
	switch v.Kind() {
	case reflect.String:
		return v.Len()
	case reflect.Slice:
		size := v.Cap() * int(v.Type().Elem().Size())
		if refers(v.Type().Elem()) {
			for i := range v.Len() {
				size += of(v.Index(i), cost)
			}
		}
		return size
	case reflect.Array:
		size := 0
		if refers(v.Type().Elem()) {
			for i := range v.Len() {
				size += of(v.Index(i), cost)
			}
		}
		return size
	case reflect.Struct:
		size := 0
		for i := range v.NumField() {
			size += of(v.Field(i), cost)
		}
		return size
	case reflect.Map:
		size := 0
		for entry := v.MapRange(); entry.Next(); {
			// As much again is room in the table.
			size += 2*int(v.Type().Key().Size()+v.Type().Elem().Size()) + of(entry.Key(), cost) + of(entry.Value(), cost)
		}
		return size
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		if v.Kind() == reflect.Pointer {
			if n, ok := cost[v.Type()]; ok {
				return n
			}
		}
		return int(v.Elem().Type().Size()) + of(v.Elem(), cost)
	default:
		return 0 // numbers, and what leads to no memory that can be looked at
	}
}

// refers reports whether values of a type lead to further memory.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		return true
	case reflect.Array:
		return refers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if refers(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
