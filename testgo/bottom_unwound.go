//go:build arm64 && !go1.21

package main

import (
	"runtime"
	"unsafe"
)

// Go before 1.21 saves frame pointers on arm64 too, but leaves them as they are
// when it moves a stack (Go 1.19, runtime/stack.go, adjustframe: "TODO what
// about arm64 frame pointer adjustment?"): whoever follows them gets to memory
// that is free by then, or somebody else's. So the stack is unwound by tables,
// as the runtime does; but runtime.Callers and runtime.Stack leave out the
// wrappers that bottom is there for.

//go:linkname gentraceback runtime.gentraceback
func gentraceback(pc, sp, lr uintptr, gp unsafe.Pointer, skip int, pcbuf *uintptr, max int,
	callback func(*stkframe, unsafe.Pointer) bool, v unsafe.Pointer, flags uint) int

//go:linkname systemstack runtime.systemstack
func systemstack(func())

// stkframe is the beginning of runtime.stkframe.
type stkframe struct {
	fn [2]uintptr
	pc uintptr
}

// current returns the g of this goroutine.
func current() unsafe.Pointer

// bottom returns an address inside the function that this goroutine started
// with. runtime.goexit, into which that returns, does not count.
func bottom() uintptr {
	g := current()
	var last, before uintptr
	visit := func(frame *stkframe, _ unsafe.Pointer) bool {
		before, last = last, frame.pc
		return true
	}
	// On another stack, so that this one is not moved meanwhile. It is unwound
	// from where it was left for that: ^0 stands for the registers saved then.
	systemstack(func() {
		gentraceback(^uintptr(0), ^uintptr(0), 0, g, 0, nil, 1<<20, visit, nil, 0)
	})
	if runtime.FuncForPC(last).Name() != "runtime.goexit" {
		panic("the stack was not unwound to its bottom")
	}
	return before
}
