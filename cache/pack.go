package cache

// What a Cache puts into Redis is one byte that says how an entry was packed, and
// the entry: compressed if that made it smaller, then encrypted if a Sealer is
// configured.
const (
	packedCompressed = 1 << iota
	packedSealed
)

// maxUnpacked bounds what a compressed entry may grow to, in bytes: bytes from
// Redis may be anybody's.
const maxUnpacked = 64 << 20

// Compressor makes values smaller. Package cache/zstd has one.
type Compressor interface {
	// Compress appends the compressed form of src to dst.
	Compress(dst, src []byte) []byte
	// Decompress appends what src was made of to dst. It must return an error if
	// that is no compressed form or more than limit bytes, and must not panic or
	// take more memory than that for any bytes.
	Decompress(dst, src []byte, limit int) ([]byte, error)
}

// pack makes of an entry what goes to Redis. The key is what Redis stores it
// under, so that an entry moved to another key does not open.
func (c *Cache) pack(key string, entry []byte) []byte {
	var how byte
	body := entry
	if c.cfg.Compressor != nil && len(entry) >= c.cfg.CompressAbove {
		if small := c.cfg.Compressor.Compress(nil, entry); len(small) < len(entry) {
			how, body = packedCompressed, small
		}
	}
	if c.cfg.Sealer != nil {
		how |= packedSealed
		out := append(make([]byte, 0, 1+len(body)+sealOverhead), how)
		return c.cfg.Sealer.seal(out, body, c.sealedFor(key, how))
	}
	return append(append(make([]byte, 0, 1+len(body)), how), body...)
}

// sealedFor is what an entry is bound to by its seal.
func (c *Cache) sealedFor(key string, how byte) []byte {
	return append(append(append([]byte(c.space), 0), key...), how)
}

// unpack is the reverse of pack, for bytes that come from outside the process. With a Sealer
// what is not sealed does not open.
func (c *Cache) unpack(key string, raw []byte) ([]byte, error) {
	if len(raw) == 0 || raw[0]&^(packedCompressed|packedSealed) != 0 {
		return nil, ErrCorrupt
	}
	how, body := raw[0], raw[1:]
	if sealed := how&packedSealed != 0; sealed != (c.cfg.Sealer != nil) {
		return nil, ErrCorrupt
	} else if sealed {
		var err error
		if body, err = c.cfg.Sealer.open(body, c.sealedFor(key, how)); err != nil {
			return nil, err
		}
	}
	if how&packedCompressed != 0 {
		if c.cfg.Compressor == nil {
			return nil, ErrCorrupt
		}
		var err error
		if body, err = c.cfg.Compressor.Decompress(nil, body, maxUnpacked); err != nil {
			return nil, ErrCorrupt
		}
	}
	if err := Verify(body); err != nil {
		return nil, err
	}
	return body, nil
}
