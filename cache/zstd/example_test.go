package zstd_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/zstd"
)

func ExampleNew() {
	compressor, err := zstd.New(0)
	if err != nil {
		log.Fatal(err)
	}
	_, err = cache.New(cache.Config{Compressor: compressor, CompressAbove: 4096})
	fmt.Println(err)

	page := bytes.Repeat([]byte("<td>9.99</td>"), 1000)
	small := compressor.Compress(nil, page)
	back, err := compressor.Decompress(nil, small, len(page))
	fmt.Println(len(small) < len(page)/10, bytes.Equal(back, page), err)
	// Output:
	// <nil>
	// true true <nil>
}
