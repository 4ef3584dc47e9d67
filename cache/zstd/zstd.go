// Package zstd makes what package cache puts into Redis smaller, by Zstandard (RFC
// 8878) in the Go of klauspost/compress. It is a module of its own, so that who does
// not use it does not have the library behind it.
package zstd

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/mlcache/mlcache/cache"
)

// Compressor is Zstandard for cache.Config. It is safe for concurrent use.
type Compressor struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

var _ cache.Compressor = (*Compressor)(nil)

// maxDecoded bounds what any Decompress makes, whatever its limit, in bytes.
const maxDecoded = 1 << 30

// New returns a Compressor of a level from 1, the quickest, to 4, the smallest; 0
// stands for 2. Its error is that of a level out of range.
func New(level int) (*Compressor, error) {
	if level < 0 || level > 4 {
		return nil, fmt.Errorf("mlcache: zstd: level %d, want 1 to 4", level)
	}
	if level == 0 {
		level = int(zstd.SpeedDefault)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
	if err != nil {
		return nil, fmt.Errorf("mlcache: zstd: %w", err)
	}
	// Zero is as many as there are processors.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxDecoded), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("mlcache: zstd: %w", err)
	}
	return &Compressor{e, d}, nil
}

// Compress appends the compressed form of src to dst.
func (c *Compressor) Compress(dst, src []byte) []byte { return c.encoder.EncodeAll(src, dst) }

// firstGuess is how much memory a small input gets at first, in bytes.
const firstGuess = 4 << 10

// Decompress appends what src was made of to dst. It takes memory as it finds that
// it needs it, and not as src says, and never more than twice the limit; more than
// the limit is an error, and so is whatever is no compressed form.
func (c *Compressor) Decompress(dst, src []byte, limit int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return nil, fmt.Errorf("mlcache: zstd: %w", err)
	}
	if h.HasFCS && h.FrameContentSize > uint64(limit) {
		return nil, fmt.Errorf("mlcache: zstd: it says that it is %d bytes, want at most %d", h.FrameContentSize, limit)
	}
	for size := min(max(4*len(src), firstGuess), limit); ; size = min(4*size, limit) {
		// The decoder stays within the capacity that it is given.
		out, err := c.decoder.DecodeAll(src, make([]byte, 0, size))
		if err == nil {
			return append(dst, out...), nil
		}
		if size >= limit || !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return nil, fmt.Errorf("mlcache: zstd: %w", err)
		}
	}
}
