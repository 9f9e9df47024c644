//go:build amd64 || go1.21

package main

// bottom returns an address inside the function that this goroutine started
// with; see bottom_amd64.s.
func bottom() uintptr
