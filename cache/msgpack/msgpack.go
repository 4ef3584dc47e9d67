// Package msgpack is a codec for package cache that writes MessagePack, which is
// smaller than JSON and quicker than gob for values that stand alone. It is a module
// of its own, so that who does not use it does not have the library behind it.
package msgpack

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/mlcache/mlcache/cache"
)

// Codec is MessagePack as a codec. Fields are named as the library does: by the tag
// msgpack, or by the field's name. Bytes behind the value are an error.
func Codec[V any]() cache.Codec[V] { return codec[V]{} }

type codec[V any] struct{}

func (codec[V]) Marshal(v V) ([]byte, error) { return msgpack.Marshal(v) }

// Unmarshal takes bytes that may be anybody's.
func (codec[V]) Unmarshal(b []byte) (v V, err error) {
	defer func() {
		if r := recover(); r != nil {
			var zero V
			v, err = zero, fmt.Errorf("mlcache: msgpack: %v", r)
		}
	}()
	if err := check(b); err != nil {
		return v, err
	}
	err = msgpack.Unmarshal(b, &v)
	return v, err
}
