// Package docs holds the README and the pages of docs against the code: what they
// name must exist, and what they say is tested is run.
package docs
