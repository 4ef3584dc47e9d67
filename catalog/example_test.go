package catalog_test

import (
	"fmt"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Without a database the text alone decides, and a write changes everything.
func ExampleNoCatalog() {
	read := catalog.NoCatalog(sqlinfo.Parse("SELECT name FROM products WHERE id = $1"))
	for _, d := range read.Reads {
		fmt.Println("reads", d.Scope)
	}
	write := catalog.NoCatalog(sqlinfo.Parse("DELETE FROM products"))
	fmt.Println("writes everything:", write.WritesAll)
	// Output:
	// reads products
	// writes everything: true
}

// Names that differ have scopes that differ.
func ExampleScope() {
	fmt.Println(catalog.Scope("public", "orders"), catalog.Scope("public", "Orders"), catalog.Scope("public", "a.b"))
	// Output: public.orders public."Orders" public."a.b"
}
