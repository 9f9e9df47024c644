//go:build !go1.21 || go1.22

package main

// resolvedInterface is what startInterface's goroutines run: the compiler resolves the interface.
const resolvedInterface = "main.object.work"
