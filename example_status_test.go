package mlcache_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/mlcache/mlcache"
)

func ExampleHandle_Handler() {
	db, err := sql.Open("mlcache", "postgres://app@localhost/shop") // connects when it is used
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	handle, err := mlcache.From(db)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/mlcache", handle.Handler())
	server := httptest.NewServer(mux)
	defer server.Close()

	answer, err := http.Get(server.URL + "/debug/mlcache?format=json")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	var status mlcache.Status
	err = json.NewDecoder(answer.Body).Decode(&status)
	fmt.Println(answer.StatusCode, status.Namespace, status.Consistency, err)
	// Output: 200 mlcache bounded <nil>
}

// The figures of the page can be had without the page: here after a miss and two hits.
func ExampleHandle_Status() {
	db, handle, end := openShop()
	defer end()
	for range 3 {
		product(context.Background(), db, "SELECT name FROM mlcache_product WHERE id = 7")
	}
	status := handle.Status()
	busiest := status.ByCalls[0]
	fmt.Println(busiest.Text, busiest.Misses)
	fmt.Println("queries:", status.Queries() >= 3, "a second:", status.Rate() >= -1, "time saved:", status.Saved() >= 0)
	// Output:
	// SELECT name FROM mlcache_product WHERE id = ? 1
	// queries: true a second: true time saved: true
}
