//go:build !cgo

// Package clib is C code for the fixture, when it is built with cgo.
package clib

// Enabled tells whether there is C code in this program.
const Enabled = false

// Triple is three times n.
func Triple(n int) int { return 3 * n }

// Spin calls f again and again until it has enough.
func Spin(_ int, f func() bool) {
	for f() {
	}
}
