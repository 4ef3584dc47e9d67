package orm

import (
	"database/sql"
	"testing"
	"time"

	"github.com/georgysavva/scany/v2/sqlscan"

	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/integration/orm/sqlc"
)

func sqlxRound(_ testing.TB, db *sql.DB, n *notebook) {
	x := openSqlx(db)
	for _, ddl := range shop[1:] {
		x.MustExec(ddl)
	}
	see := func(when string) {
		n.see(when+": users", func() (any, error) {
			var users []sqlxUser
			return &users, x.Select(&users, "SELECT * FROM users ORDER BY id")
		})
		n.see(when+": one", func() (any, error) {
			var u sqlxUser
			return &u, x.Get(&u, x.Rebind("SELECT * FROM users WHERE email = ?"), "b@example.com")
		})
		n.see(when+": named", func() (any, error) {
			s, err := x.PrepareNamed("SELECT * FROM orders WHERE user_id = :user ORDER BY id")
			if err != nil {
				return nil, err
			}
			defer s.Close()
			var orders []sqlxOrder
			return &orders, s.Select(&orders, map[string]any{"user": 1})
		})
	}
	see("empty")
	_, err := x.NamedExec(`INSERT INTO users (id, email, name, settings, created_at, updated_at)
		VALUES (:id, :email, :name, :settings, :created_at, :updated_at)`, []sqlxUser{
		{ID: 1, Email: "a@example.com", Name: "A", Settings: []byte(`{}`), CreatedAt: noon, UpdatedAt: noon},
		{ID: 2, Email: "b@example.com", Name: "B", Settings: []byte(`{"x": 1}`), CreatedAt: noon, UpdatedAt: noon},
	})
	n.do("batch", err)
	see("created")
	_, err = x.NamedExec("UPDATE users SET name = :name WHERE id = :id", sqlxUser{ID: 2, Name: "Bee"})
	n.do("update", err)
	see("updated")
	order := func(tx interface {
		QueryRow(string, ...any) *sql.Row
	}) (id int64, err error) {
		err = tx.QueryRow("INSERT INTO orders (user_id, total, placed_at) VALUES ($1, $2, $3) RETURNING id", 1, "9.50", noon).Scan(&id)
		return id, err
	}
	for _, commit := range []bool{true, false} {
		tx := x.MustBegin()
		id, err := order(tx)
		n.do("insert", err)
		tx.MustExec("UPDATE orders SET note = $1 WHERE id = $2", "in the transaction", id)
		n.see("inside", func() (any, error) {
			var count int
			return &count, tx.Get(&count, "SELECT count(*) FROM orders")
		})
		if commit {
			n.do("commit", tx.Commit())
		} else {
			n.do("roll back", tx.Rollback())
		}
		see("after the transaction")
	}
	x.MustExec("DELETE FROM users WHERE id = $1", 2)
	_, err = x.Exec("DELETE FROM users WHERE id = $1", 1)
	n.fail("a reference", err)
	see("at the end")
}

func sqlcRound(t testing.TB, db *sql.DB, n *notebook) {
	ctx := harness.Context(t)
	for _, ddl := range shop[1:] {
		harness.Exec(t, db, ddl)
	}
	q := sqlc.New(db)
	see := func(when string) {
		n.see(when+": user", func() (any, error) { return q.GetUser(ctx, 1) })
		n.see(when+": totals", func() (any, error) { return q.UserTotals(ctx) })
		n.see(when+": orders", func() (any, error) {
			return q.ListOrders(ctx, sqlc.ListOrdersParams{UserID: 1, Limit: 5})
		})
		n.see(when+": open", func() (any, error) { return q.CountOrders(ctx, "open") })
		n.see(when+": by id", func() (any, error) { return q.OrdersByIDs(ctx, []int64{1, 2, 9}) })
		n.see(when+": search", func() (any, error) {
			return q.SearchOrders(ctx, sqlc.SearchOrdersParams{UserID: sql.NullInt64{Int64: 1, Valid: true}})
		})
		n.see(when+": between", func() (any, error) { return q.OrdersBetween(ctx, noon, noon.Add(time.Hour)) })
	}
	see("empty")
	for _, name := range []string{"a", "b"} {
		n.see("create", func() (any, error) {
			u, err := q.CreateUser(ctx, name+"@example.com", name, noon)
			if err != nil { // the second and third time: the address is taken
				return nil, err
			}
			return u.Email, nil
		})
	}
	see("users")
	order := func(q *sqlc.Queries) {
		id, err := q.CreateOrder(ctx, 1, "12.00", noon, sql.NullString{String: "a note", Valid: true})
		n.do("order", err)
		changed, err := q.SetStatus(ctx, id, "paid")
		n.do("status", err)
		n.see("changed", func() (any, error) { return changed, nil })
	}
	order(q)
	see("ordered")
	for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
		tx, err := db.BeginTx(ctx, nil)
		n.do("begin", err)
		order(q.WithTx(tx))
		n.see("inside", func() (any, error) { return q.WithTx(tx).CountOrders(ctx, "paid") })
		n.do("end", end(tx))
		see("after the transaction")
	}
	n.do("delete", q.DeleteOrders(ctx, 1))
	see("at the end")
}

func scanyRound(t testing.TB, db *sql.DB, n *notebook) {
	ctx := harness.Context(t)
	for _, ddl := range shop[1:] {
		harness.Exec(t, db, ddl)
	}
	see := func(when string) {
		n.see(when+": select", func() (any, error) {
			var users []sqlxUser
			return &users, sqlscan.Select(ctx, db, &users, "SELECT * FROM users ORDER BY id")
		})
		n.see(when+": get", func() (any, error) {
			var u sqlxUser
			return &u, sqlscan.Get(ctx, db, &u, "SELECT * FROM users WHERE id = $1", 1)
		})
	}
	see("empty")
	harness.Exec(t, db, "INSERT INTO users (email, name, created_at, updated_at) VALUES ($1, $2, $3, $3)", "a@example.com", "A", noon)
	see("created")
	harness.Exec(t, db, "UPDATE users SET name = $1", "B")
	see("updated")
	tx, err := db.BeginTx(ctx, nil)
	n.do("begin", err)
	harness.Exec(t, tx, "DELETE FROM users")
	n.see("inside", func() (any, error) {
		var count int
		return &count, sqlscan.Get(ctx, tx, &count, "SELECT count(*) FROM users")
	})
	n.do("roll back", tx.Rollback())
	see("rolled back")
	harness.Exec(t, db, "DELETE FROM users")
	see("at the end")
}
