package shop

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/jackc/pgx/v5"
)

// Shape is a kind of question: one SQL text.
type Shape uint8

// The shapes.
const (
	ProductByID Shape = iota
	TopOfCategory
	OrdersOfCustomer
	CategoryFigures
	shapes
)

// Every answer shows something that grows with each change, a version or an
// order's id: the same answer never comes back, so an old one can be told from a
// new one.
var questionText = [shapes]string{
	ProductByID: `SELECT id, name, category_id, price, rating, available, note, version, updated_at FROM {s}.products WHERE id = $1`,
	TopOfCategory: `SELECT id, name, price, rating, version FROM {s}.products
		WHERE category_id = $1 AND available ORDER BY rating DESC, id LIMIT 10`,
	OrdersOfCustomer: `SELECT o.id, o.quantity, o.placed_at, p.id, p.name, p.price, p.version
		FROM {s}.orders AS o JOIN {s}.products AS p ON p.id = o.product_id
		WHERE o.customer_id = $1 ORDER BY o.id DESC LIMIT 20`,
	CategoryFigures: `SELECT count(*), min(price), max(price), sum(version) FROM {s}.products WHERE category_id = $1`,
}

// Question is one SELECT with its argument.
type Question struct {
	Shape Shape
	Key   int64
}

// Answer is a fingerprint of a whole result: its columns, and every value with
// its Go type. Equal answers are equal results but for one case in 2^64.
type Answer uint64

func (s Shop) text(sql string) string {
	return strings.ReplaceAll(sql, "{s}", pgx.Identifier{s.Schema}.Sanitize())
}

// Asker puts questions to a database. It is safe for concurrent use.
type Asker struct {
	db   *sql.DB
	shop Shop
	text [shapes]string
}

// Asker returns an Asker over any driver for PostgreSQL.
func (s Shop) Asker(db *sql.DB) *Asker {
	a := &Asker{db: db, shop: s}
	for i := range a.text {
		a.text[i] = s.text(questionText[i])
	}
	return a
}

// Ask reads the whole answer. took is the time from the call of Query to the
// closed rows, without the making of the fingerprint.
func (a *Asker) Ask(ctx context.Context, q Question) (answer Answer, took time.Duration, err error) {
	begun := time.Now()
	rows, err := a.db.QueryContext(ctx, a.text[q.Shape], q.Key)
	if err != nil {
		return 0, 0, err
	}
	columns, result, err := read(rows)
	took = time.Since(begun)
	if err != nil {
		return 0, 0, err
	}
	return fingerprint(columns, result), took, nil
}

func read(rows *sql.Rows) (columns []string, result []any, err error) {
	defer func() { _ = rows.Close() }()
	if columns, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	targets := make([]any, len(columns))
	for rows.Next() {
		from := len(result)
		result = append(result, make([]any, len(columns))...)
		for i := range targets {
			targets[i] = &result[from+i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, nil, err
	}
	return columns, result, rows.Close()
}

// fingerprint hashes a result without ambiguity: every part carries its type, and
// its length where that varies.
func fingerprint(columns []string, result []any) Answer {
	b := make([]byte, 0, 512)
	text := func(kind byte, s string) {
		b = append(b, kind)
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, c := range columns {
		text('c', c)
	}
	for _, v := range result {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, 'f'), math.Float64bits(v))
		case bool:
			b = fmt.Appendf(b, "b%t", v)
		case string:
			text('s', v)
		case []byte:
			text('y', string(v))
		case time.Time:
			text('t', v.Format(time.RFC3339Nano)+" "+v.Location().String())
		default:
			text('?', fmt.Sprintf("%T %v", v, v))
		}
	}
	return Answer(xxhash.Sum64(b))
}

// Source draws questions as visitors would ask them: most of them for single
// products, and few products much more often than the rest (Zipf's law).
type Source struct {
	shop                        Shop
	random                      *rand.Rand
	product, customer, category *rand.Zipf
}

// Source returns a source that draws the same questions for the same seed. It
// must not be used concurrently.
func (s Shop) Source(seed uint64) *Source {
	random := rand.New(rand.NewPCG(seed, seed))
	zipf := func(n int) *rand.Zipf { return rand.NewZipf(random, 1.4, 8, uint64(n-1)) }
	return &Source{shop: s, random: random, product: zipf(s.Products), customer: zipf(s.Customers()), category: zipf(s.Categories())}
}

// Question draws the next one.
func (s *Source) Question() Question {
	switch n := s.random.IntN(100); {
	case n < 65:
		return Question{ProductByID, s.Product()}
	case n < 80:
		return Question{TopOfCategory, spread(s.category.Uint64(), s.shop.Categories())}
	case n < 95:
		return Question{OrdersOfCustomer, s.Customer()}
	default:
		return Question{CategoryFigures, spread(s.category.Uint64(), s.shop.Categories())}
	}
}

// Product draws a product's id.
func (s *Source) Product() int64 { return spread(s.product.Uint64(), s.shop.Products) + 1 }

// Customer draws a customer's id.
func (s *Source) Customer() int64 { return spread(s.customer.Uint64(), s.shop.Customers()) + 1 }

// spread maps ranks to numbers below n one to one, so that popular things are not
// neighbours. 1000003 is prime; n is smaller or does not divide by it.
func spread(rank uint64, n int) int64 { return int64(rank * 1000003 % uint64(n)) }
