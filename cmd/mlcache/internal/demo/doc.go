// Package demo shows on one screen what mlcache does, with figures that were
// measured in the same run: two application processes read a shop through the
// cache while now and then something is written, and every answer that either
// process got is compared with the database's.
//
// The parent process (Run) brings servers up, fills the shop, starts the two
// applications (App) and tells them what to do, by JSON-RPC over their standard
// input and output. It makes one change at a time and keeps a history of what
// the database's answers were, and when (history). Each application notes what it
// was answered, and when (sightings). An answer is right if it was the database's
// at some moment between the start of the read less the bound and the end of the
// read; in the process that made the change, without the bound.
package demo
