module github.com/mlcache/mlcache/sqlinfo/oracle

go 1.26.0

require (
	github.com/mlcache/mlcache v0.0.0
	github.com/pganalyze/pg_query_go/v6 v6.2.5
	google.golang.org/protobuf v1.33.0
)

replace github.com/mlcache/mlcache => ../../
