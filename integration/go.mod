module github.com/mlcache/mlcache/integration

go 1.26.0

require github.com/mlcache/mlcache v0.0.0

replace github.com/mlcache/mlcache => ../
