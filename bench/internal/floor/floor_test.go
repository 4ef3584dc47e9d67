package floor

import (
	"database/sql"
	"database/sql/driver"
	"testing"
)

func TestAnswersFromMemory(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(&Connector{Columns: []string{"a", "b"}, Rows: [][]driver.Value{{int64(1), "x"}, {int64(2), "y"}}})
	defer db.Close()
	rows, err := db.Query("whatever", 3)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var a int64
		var b string
		if err := rows.Scan(&a, &b); err != nil {
			t.Fatal(err)
		}
		got = append(got, b)
	}
	if err := rows.Err(); err != nil || len(got) != 2 || got[0] != "x" || got[1] != "y" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := db.Query("SHOW server_version"); err == nil {
		t.Error("passes for a server")
	}
}
