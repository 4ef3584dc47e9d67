// Command mlcache does nothing: it shows what a program costs that imports
// mlcache. Like every program that changes over from pgx it may still import
// pgx, which costs nothing more.
package main

import (
	_ "github.com/jackc/pgx/v5/stdlib"

	_ "github.com/mlcache/mlcache"
)

func main() {}
