//go:build cgo

// Package clib is C code for the fixture, when it is built with cgo.
package clib

/*
static int triple(int n) { return 3 * n; }
*/
import "C"

// Enabled tells whether there is C code in this program.
const Enabled = true

// Triple is three times n.
func Triple(n int) int { return int(C.triple(C.int(n))) }
