// Command moved moves its own code to anonymous memory, as programs do that want it in huge pages. Then it prints
// `ready` and starts ten goroutines each 10 ms until stdin ends.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

//go:noinline
func work(done chan bool) { done <- true }

func bytes(at, size uintptr) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(at)), size) }

func check(what string, errno syscall.Errno) {
	if errno != 0 {
		fmt.Fprintln(os.Stderr, what, errno)
		os.Exit(4)
	}
}

// move puts a copy in place of some code: after the second call it goes on in the copy.
func move(start, size uintptr) {
	const all = syscall.PROT_READ | syscall.PROT_WRITE | syscall.PROT_EXEC
	const anonymous = syscall.MAP_PRIVATE | syscall.MAP_ANON
	moved, _, errno := syscall.RawSyscall6(syscall.SYS_MMAP, 0, size, all, anonymous, ^uintptr(0), 0)
	check("mmap", errno)
	copy(bytes(moved, size), bytes(start, size))
	const mayMove, fixed = 1, 2
	_, _, errno = syscall.RawSyscall6(syscall.SYS_MREMAP, moved, size, size, mayMove|fixed, start, 0)
	check("mremap", errno)
}

func main() {
	exe, _ := os.Readlink("/proc/self/exe")
	maps, _ := os.ReadFile("/proc/self/maps")
	for _, line := range strings.Split(string(maps), "\n") {
		var start, end uintptr
		if strings.HasSuffix(line, exe) && strings.Contains(line, " r-xp ") {
			fmt.Sscanf(line, "%x-%x", &start, &end)
			move(start, end-start)
		}
	}
	fmt.Println("ready")
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	done := make(chan bool)
	for {
		for i := 0; i < 10; i++ {
			go work(done)
		}
		for i := 0; i < 10; i++ {
			<-done
		}
		time.Sleep(10 * time.Millisecond)
	}
}
