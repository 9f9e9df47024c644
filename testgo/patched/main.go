// Command patched changes its own code, as mocking and hot-patching libraries do, and is a quiet target for debuggers.
//
//	patched nothing | jump | branch FUNCTION | restore FUNCTION
//
// jump replaces the beginning of main.victim by a jump to another function. branch replaces the `jbe` of the stack check
// of a function by `jb`, which does the same but where stack pointer and limit are equal. restore writes the code of a
// function anew as it was at the beginning, after the first line.
//
// It prints `ready`, waits for a line, runs 101 goroutines of main.victim, prints `done`, and so on until stdin ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"syscall"
	"unsafe"
)

const each = 101

var (
	never bool
	ended = make(chan int)
)

//go:noinline
func victim() { ended <- 1 }

//go:noinline
func substitute() { ended <- 2 }

// rare is never run.
//
//go:noinline
func rare() { ended <- 3 }

func address(f interface{}) uintptr { return reflect.ValueOf(f).Pointer() }

// find gives the address of a function by its name; those of the runtime lie near runtime.Gosched.
func find(name string) uintptr {
	const step, reach = 16, 1 << 20
	for _, near := range []uintptr{address(main), address(runtime.Gosched)} {
		for at := near - reach; at < near+reach; at += step {
			if f := runtime.FuncForPC(at); f != nil && f.Name() == name {
				return f.Entry()
			}
		}
	}
	fmt.Fprintln(os.Stderr, "no function", name)
	os.Exit(4)
	return 0
}

func code(at uintptr, size int) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(at)), size) }

func write(at uintptr, bytes []byte) {
	page := code(at&^4095, 2*4096)
	if err := syscall.Mprotect(page, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC); err != nil {
		panic(err)
	}
	copy(code(at, len(bytes)), bytes)
	if err := syscall.Mprotect(page, syscall.PROT_READ|syscall.PROT_EXEC); err != nil {
		panic(err)
	}
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	next := func(word string) bool {
		fmt.Println(word)
		_, err := lines.ReadString('\n')
		return err == nil
	}
	first := func() {}
	switch os.Args[1] {
	case "jump":
		to := address(substitute)
		jump := []byte{0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x41, 0xff, 0xe3} // mov r11, to; jmp r11
		for i := 0; i < 8; i++ {
			jump[2+i] = byte(to >> (8 * i))
		}
		write(address(victim), jump)
	case "branch":
		at := find(os.Args[2])
		for i, b := range code(at, 16) {
			if b == 0x76 { // jbe, a byte far
				write(at+uintptr(i), []byte{0x72})
				break
			}
			if b == 0x0f && code(at, 16)[i+1] == 0x86 { // farther
				write(at+uintptr(i)+1, []byte{0x82})
				break
			}
		}
	case "restore":
		at := find(os.Args[2])
		before := append([]byte(nil), code(at, 32)...)
		first = func() { write(at, before) }
	}
	if never {
		go rare()
	}
	for next("ready") {
		first()
		first = func() {}
		for i := 0; i < each; i++ {
			go victim()
		}
		for i := 0; i < each; i++ {
			<-ended
		}
		for runtime.NumGoroutine() > 1 {
			runtime.Gosched()
		}
		if !next("done") {
			break
		}
	}
}
