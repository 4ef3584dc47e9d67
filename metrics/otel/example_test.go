package mlcacheotel_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/mlcache/mlcache"
	mlcacheotel "github.com/mlcache/mlcache/metrics/otel"
)

func ExampleRegister() {
	db, err := sql.Open("mlcache", "postgres://app@localhost/shop") // connects when it is used
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	handle, err := mlcache.From(db)
	if err != nil {
		log.Fatal(err)
	}
	// The histograms come from a producer, everything else from instruments.
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(mlcacheotel.NewProducer(handle)))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	registration, err := mlcacheotel.Register(provider.Meter("shop"), handle)
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = registration.Unregister() }()
	mlcacheotel.TraceReads(handle)

	var collected metricdata.ResourceMetrics
	fmt.Println(reader.Collect(context.Background(), &collected), len(collected.ScopeMetrics) > 0)
	// Output: <nil> true
}
