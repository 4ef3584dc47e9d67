module github.com/mlcache/mlcache/test

go 1.26.0

replace github.com/mlcache/mlcache => ../
