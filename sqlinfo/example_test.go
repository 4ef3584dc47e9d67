package sqlinfo_test

import (
	"fmt"

	"github.com/mlcache/mlcache/sqlinfo"
)

func ExampleParse() {
	for _, text := range []string{
		"SELECT o.total FROM shop.orders o JOIN customers c ON c.id = o.customer WHERE c.id = $1",
		"WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone",
		"SELECT * FROM orders WHERE at > now() /* mlcache: ttl=5s */",
	} {
		info := sqlinfo.Parse(text)
		fmt.Printf("%s %v %v %q %q %d %v\n", info.Kind, info.Reads, info.Writes, info.Refusal, info.Detail, info.Params, info.Hint.TTL)
	}
	// Output:
	// read [shop.orders customers] [] "" "" 1 0s
	// write [] [orders] "not_a_read" "" 0 0s
	// read [orders] [] "time_function" "now" 0 5s
}

// Texts that mean the same have one canonical text.
func ExampleCanonical() {
	fmt.Printf("%s\n", sqlinfo.Canonical(nil, "  SELECT 'a  b' -- all\n\tFROM   \"T\" "))
	// Output: SELECT 'a  b' FROM "T"
}

func ExampleParseBody() {
	body := sqlinfo.ParseBody("plpgsql", "BEGIN UPDATE stock SET n = n - 1 WHERE id = new.id; RETURN new; END")
	fmt.Println(body.Writes, body.WritesAll)
	// Output: [stock] false
}

func ExampleSpecialDate() {
	fmt.Println(sqlinfo.SpecialDate("Today 10:00"), sqlinfo.SpecialDate("2026-01-01"), sqlinfo.SpecialDate("snow"))
	// Output: true false false
}

func ExampleSafeFunction() {
	fmt.Println(sqlinfo.SafeFunction("lower"), sqlinfo.SafeFunction("now"), sqlinfo.WritesNothing("now"), sqlinfo.ChangesSession("set_config"))
	// Output: true false true true
}
