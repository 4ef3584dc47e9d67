package orm

import (
	"database/sql"
	"encoding/json"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
)

var sqlxLibrary = library{"sqlx", sqlxQueries}

type sqlxUser struct {
	ID        int64           `db:"id"`
	Email     string          `db:"email"`
	Name      string          `db:"name"`
	Settings  json.RawMessage `db:"settings"`
	CreatedAt time.Time       `db:"created_at"`
	UpdatedAt time.Time       `db:"updated_at"`
	DeletedAt *time.Time      `db:"deleted_at"`
}

type sqlxOrder struct {
	ID       int64     `db:"id"`
	UserID   int64     `db:"user_id"`
	Status   string    `db:"status"`
	Total    string    `db:"total"`
	PlacedAt time.Time `db:"placed_at"`
	Note     *string   `db:"note"`
}

// openSqlx says which placeholders the driver takes, as every program that uses
// sqlx with a driver of another name does.
func openSqlx(db *sql.DB) *sqlx.DB {
	sqlx.BindDriver("mlcache", sqlx.DOLLAR)
	return sqlx.NewDb(db, "mlcache")
}

func sqlxQueries(_ testing.TB, db *sql.DB) []query {
	x := openSqlx(db)
	const users = "SELECT id, email, name, settings, created_at, updated_at, deleted_at FROM users "
	get := func(dest any, q string, args ...any) func() error {
		return func() error { return x.Get(dest, q, args...) }
	}
	list := func(dest any, q string, args ...any) func() error {
		return func() error { return x.Select(dest, q, args...) }
	}
	in := func(dest any, q string, args ...any) func() error {
		return func() error {
			q, args, err := sqlx.In(q, args...)
			if err != nil {
				return err
			}
			return x.Select(dest, x.Rebind(q), args...)
		}
	}
	named := func(dest any, q string, arg any) func() error {
		return func() error {
			rows, err := x.NamedQuery(q, arg)
			if err != nil {
				return err
			}
			defer rows.Close()
			return sqlx.StructScan(rows, dest)
		}
	}
	return []query{
		{"get", get(new(sqlxUser), users+"WHERE id = $1", 3)},
		{"get rebound", get(new(sqlxUser), x.Rebind(users+"WHERE email = ?"), "user4@example.com")},
		{"select", list(new([]sqlxUser), users+"WHERE deleted_at IS NULL ORDER BY id")},
		{"select star", list(new([]sqlxOrder), "SELECT * FROM orders WHERE total > $1 ORDER BY id LIMIT 10", 50)},
		{"in", in(new([]sqlxOrder), "SELECT * FROM orders WHERE user_id IN (?) AND status IN (?) ORDER BY id", []int64{1, 2, 3}, []string{"open", "paid"})},
		{"named struct", named(new([]sqlxUser), users+"WHERE name = :name", sqlxUser{Name: "User 5"})},
		{"named map", named(new([]sqlxOrder), "SELECT * FROM orders WHERE user_id = :user AND total > :min", map[string]any{"user": 4, "min": 10})},
		{"named statement", func() error {
			s, err := x.PrepareNamed(users + "WHERE id = :id")
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Get(new(sqlxUser), map[string]any{"id": 6})
		}},
		{"prepared", func() error {
			s, err := x.Preparex(users + "WHERE id = $1")
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Get(new(sqlxUser), 6)
		}},
		{"map scan", func() error { return x.QueryRowx("SELECT * FROM products WHERE id = $1", 3).MapScan(map[string]any{}) }},
		{"slice scan", func() error {
			_, err := x.QueryRowx("SELECT id, name FROM tags WHERE name = $1", "sale").SliceScan()
			return err
		}},
		{"count", get(new(int), "SELECT count(*) FROM orders WHERE status = $1", "paid")},
		{"sum of nothing", get(new(sql.NullString), "SELECT sum(total) FROM orders WHERE user_id = $1", -1)},
		{"any", list(new([]int64), "SELECT id FROM users WHERE id = ANY($1) ORDER BY id", []int64{1, 2, 3})},
		{"cast list", list(new([]int64), "SELECT id FROM users WHERE id = ANY($1::bigint[])", "{4,5}")},
		{"join", list(new([]struct {
			sqlxOrder
			Email string `db:"email"`
		}), `SELECT o.*, u.email
			FROM orders o
			JOIN users u ON u.id = o.user_id -- whoever ordered
			WHERE u.deleted_at IS NULL
			ORDER BY o.id /* the oldest first */`)},
		{"exists", get(new(bool), "SELECT EXISTS (SELECT 1 FROM users WHERE email = $1)", "user1@example.com")},
		{"optional filter", list(new([]sqlxOrder), "SELECT * FROM orders WHERE ($1::text IS NULL OR status::text = $1) AND user_id = COALESCE($2, user_id) ORDER BY id", nil, 3)},
		{"json object", get(new(json.RawMessage), `SELECT json_build_object('id', u.id, 'orders', (SELECT json_agg(row_to_json(o) ORDER BY o.id) FROM orders o WHERE o.user_id = u.id))
			FROM users u WHERE u.id = $1`, 3)},
		{"json elements", list(new([]string), "SELECT DISTINCT l FROM users, jsonb_array_elements_text(settings->'langs') l ORDER BY l")},
		{"window", list(new([]int64), "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY placed_at DESC) n FROM orders) t WHERE n = 1 ORDER BY id")},
		{"with", list(new([]string), `WITH spent AS (SELECT user_id, sum(total) AS sum FROM orders GROUP BY user_id),
			best AS (SELECT user_id FROM spent ORDER BY sum DESC LIMIT 3)
			SELECT u.name FROM users u JOIN best b ON b.user_id = u.id ORDER BY u.id`)},
		{"except", list(new([]int64), "SELECT id FROM products EXCEPT SELECT product_id FROM items ORDER BY 1")},
		{"range of days", list(new([]int64), "SELECT id FROM orders WHERE placed_at >= $1::date AND placed_at < $1::date + interval '7 days' ORDER BY id", "2025-01-20")},
		{"time zone", list(new([]time.Time), "SELECT date_trunc('day', placed_at, 'Europe/Berlin') FROM orders GROUP BY 1 ORDER BY 1")},
		{"age", list(new([]string), "SELECT age(updated_at, created_at)::text FROM users ORDER BY id")},
		{"now", list(new([]int64), "SELECT id FROM orders WHERE placed_at < now() ORDER BY id")},
	}
}
