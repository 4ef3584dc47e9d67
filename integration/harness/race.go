//go:build race

package harness

// raced: this binary was built with the race detector.
const raced = true
