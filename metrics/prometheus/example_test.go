package mlcacheprom_test

import (
	"database/sql"
	"fmt"
	"log"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mlcache/mlcache"
	mlcacheprom "github.com/mlcache/mlcache/metrics/prometheus"
)

func ExampleNewCollector() {
	db, err := sql.Open("mlcache", "postgres://app@localhost/shop") // connects when it is used
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	handle, err := mlcache.From(db)
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(mlcacheprom.NewCollector(handle, prometheus.Labels{"db": "shop"}))
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if strings.HasSuffix(f.GetName(), "operations_total") {
			fmt.Println(f.GetName(), f.GetMetric()[0].GetLabel()[0].GetValue())
		}
	}
	// Output: multilevel_cache_operations_total shop
}
