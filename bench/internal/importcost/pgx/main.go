// Command pgx does nothing: it shows what a program costs that imports pgx.
package main

import _ "github.com/jackc/pgx/v5/stdlib"

func main() {}
