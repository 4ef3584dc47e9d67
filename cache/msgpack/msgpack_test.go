package msgpack_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/cache/msgpack"
)

type product struct {
	ID    int64
	Name  string
	Tags  []string
	Stock map[string]int
	Added time.Time
	Image []byte
	Next  *product
}

func newProduct() product {
	return product{
		ID: 1 << 60, Name: "Täsch", Tags: []string{"a", ""}, Stock: map[string]int{"Bern": -1}, Added: time.Unix(1, 5).UTC(),
		Image: []byte{0, 255}, Next: &product{ID: 2},
	}
}

func TestCodec(t *testing.T) {
	c := msgpack.Codec[product]()
	want := newProduct()
	b, err := c.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	kept := bytes.Clone(b)
	got, err := c.Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b) // the codec must not keep it
	got.Added = got.Added.UTC()
	got.Next.Added = got.Next.Added.UTC()
	want.Next.Added = want.Next.Added.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := c.Unmarshal(append(bytes.Clone(kept), 1)); err == nil {
		t.Error("a byte too many is no error")
	}
}

// Whatever bytes come from Redis, there is no panic, and a length that is not there
// takes no memory.
func TestAnyBytes(t *testing.T) {
	c := msgpack.Codec[product]()
	good, err := c.Marshal(newProduct())
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		b := bytes.Clone(good)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		_, _ = c.Unmarshal(b[:r.IntN(len(b)+1)])
	}
	// An array, a map, a string and bytes of 4 GiB, and an array in an array and so on.
	for _, b := range [][]byte{{0xdd, 255, 255, 255, 255}, {0xdf, 255, 255, 255, 255}, {0xdb, 255, 255, 255, 255}, {0xc6, 255, 255, 255, 255}, bytes.Repeat([]byte{0x91}, 1<<20)} {
		if allocated := testing.AllocsPerRun(1, func() {
			if _, err := msgpack.Codec[[]string]().Unmarshal(b); err == nil {
				t.Errorf("%.10x is no error", b)
			}
			if _, err := msgpack.Codec[any]().Unmarshal(b); err == nil {
				t.Errorf("%.10x is no error", b)
			}
		}); allocated > 1000 {
			t.Errorf("%.10x: %v allocations", b, allocated)
		}
	}
}

// A function whose results are kept as MessagePack.
func ExampleCodec() {
	l1 := cache.NewMemory(1 << 20)
	defer l1.Close()
	c, err := cache.New(cache.Config{L1: l1})
	if err != nil {
		fmt.Println(err)
		return
	}
	type price struct {
		Cents    int
		Currency string
	}
	find := cache.Memoize(c, "price", msgpack.Codec[price](), func(_ context.Context, id int) (price, error) {
		fmt.Println("computed")
		return price{Cents: 100 * id, Currency: "CHF"}, nil
	})
	for range 2 {
		fmt.Println(find(context.Background(), 7))
	}
	// Output:
	// computed
	// {700 CHF} <nil>
	// {700 CHF} <nil>
}
