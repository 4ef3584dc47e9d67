// Package test tests the driver, package cache and package invalidation from outside, with a Redis that runs in this
// process. It is a module of its own, so that a program that imports mlcache does not list what only its tests need.
package test
