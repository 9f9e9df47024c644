//go:build go1.21 && !go1.22

package main

// resolvedInterface is what startInterface's goroutines run, as far as the binary tells: Go 1.21 does not resolve
// the interface in a go statement when it compiles, so that only the wrapper is known.
const resolvedInterface = ""
