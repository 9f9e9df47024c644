//go:build cgo

package clib

// void grtmon_spin(int turns);
import "C"

var back func() bool

// Spin has C code spin, which calls f again and again until it has enough.
func Spin(turns int, f func() bool) {
	back = f
	C.grtmon_spin(C.int(turns))
}

//export grtmonBack
func grtmonBack() C.int {
	if back() {
		return 1
	}
	return 0
}
