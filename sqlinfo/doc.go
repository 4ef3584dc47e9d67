// Package sqlinfo tells from the text of a PostgreSQL statement what it may
// read, write and call, and whether its answer may be kept.
//
// The promise: for every statement that PostgreSQL accepts, a relation that the
// statement names and reads is in Info.Reads, one that it names and writes is in
// Info.Writes, and a function that it names and calls is in Info.Funcs; or else
// Info.Refusal says why the answer of the statement must not be kept, and, where
// the statement may change data in a way that the text does not tell,
// Info.WritesAll is set. The lists may hold too much, never too little.
//
// That holds by construction. There is no grammar here but a lexer, which agrees
// with PostgreSQL's token for token, and a scanner, which takes each identifier
// for the name of a relation unless a rule, argued where it stands, says that it
// cannot be one. What the scanner does not understand it refuses.
//
// The package knows no database: whether a name is a table, a view or nothing at
// all, and what a function does, is for package catalog to find out. It has no
// state, starts no goroutine, never panics, and never recurses at the text's
// bidding; its time and memory are bounded by the length of the text and by
// Options.
package sqlinfo
