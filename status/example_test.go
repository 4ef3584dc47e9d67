package status_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/status"
)

func ExampleHandler() {
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
	mux.Handle("/debug/mlcache", status.Handler(handle))
	server := httptest.NewServer(mux)
	defer server.Close()

	answer, err := http.Get(server.URL + "/debug/mlcache?format=json")
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	var report status.Report
	err = json.NewDecoder(answer.Body).Decode(&report)
	fmt.Println(answer.StatusCode, report.Namespace, report.Consistency, err)
	// Output: 200 mlcache bounded <nil>
}
