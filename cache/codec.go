package cache

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
)

// Codec turns values of a type into bytes and back. Package cache/msgpack has
// another one.
type Codec[V any] interface {
	Marshal(V) ([]byte, error)
	// Unmarshal must not keep b, and must not panic whatever b holds.
	Unmarshal(b []byte) (V, error)
}

// JSON is encoding/json as a codec.
func JSON[V any]() Codec[V] { return jsonCodec[V]{} }

type jsonCodec[V any] struct{}

func (jsonCodec[V]) Marshal(v V) ([]byte, error) { return json.Marshal(v) }

func (jsonCodec[V]) Unmarshal(b []byte) (v V, err error) {
	err = json.Unmarshal(b, &v)
	return v, err
}

// Gob is encoding/gob as a codec.
func Gob[V any]() Codec[V] { return gobCodec[V]{} }

type gobCodec[V any] struct{}

func (gobCodec[V]) Marshal(v V) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(&v)
	return b.Bytes(), err
}

func (gobCodec[V]) Unmarshal(b []byte) (v V, err error) {
	err = gob.NewDecoder(bytes.NewReader(b)).Decode(&v)
	return v, err
}

// Bytes hands values on as they are, copied.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) Marshal(v []byte) ([]byte, error)   { return bytes.Clone(v), nil }
func (bytesCodec) Unmarshal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
