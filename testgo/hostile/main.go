// A program that lies about itself in its own memory, to whoever looks at it from outside. What it does harms nobody but
// itself: it has no garbage collection from then on, and ends with its standard input.
//
// Modes: `same` (runtime.allgs lists one goroutine 16 million times), `stack` (a hundred thousand goroutines that all
// claim one deep stack), `command` (a command line of 64 GiB).
package main

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"unsafe"
)

type slice struct {
	array    uintptr
	len, cap int
}

// variable is the address of a variable of the runtime, by the program's symbol table.
func variable(name string) uintptr {
	file, err := elf.Open("/proc/self/exe")
	check(err)
	symbols, err := file.Symbols()
	check(err)
	for _, symbol := range symbols {
		if symbol.Name == name {
			return uintptr(symbol.Value)
		}
	}
	panic("no " + name)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// reserve gives address space, which costs nothing until it is written to.
func reserve(bytes uintptr) uintptr {
	const noreserve = 0x4000
	flags := syscall.MAP_PRIVATE | syscall.MAP_ANON | noreserve
	addr, _, errno := syscall.Syscall6(syscall.SYS_MMAP, 0, bytes,
		syscall.PROT_READ|syscall.PROT_WRITE, uintptr(flags), ^uintptr(0), 0)
	if errno != 0 {
		panic(errno)
	}
	return addr
}

func words(addr uintptr, count int) []uintptr {
	var words []uintptr
	header := (*slice)(unsafe.Pointer(&words))
	header.array, header.len, header.cap = addr, count, count
	return words
}

func list(count int, each func(index int, last uintptr) uintptr) {
	allgs := (*slice)(*(*unsafe.Pointer)(unsafe.Pointer(&[]uintptr{variable("runtime.allgs")}[0])))
	first := words(allgs.array, allgs.len)
	all := words(reserve(uintptr(count)*8), count)
	for index := range all {
		if index < len(first) {
			all[index] = first[index]
		} else {
			all[index] = each(index, first[len(first)-1])
		}
	}
	allgs.array, allgs.len, allgs.cap = uintptr(unsafe.Pointer(&all[0])), count, count
}

//go:noinline
func deep(left int, reached chan<- bool, wait <-chan bool) int {
	if left == 0 {
		reached <- true
		<-wait
		return 0
	}
	return deep(left-1, reached, wait) + 1
}

func main() {
	debug.SetGCPercent(-1)
	switch os.Args[1] {
	case "same":
		list(1<<24, func(_ int, last uintptr) uintptr { return last })
	case "stack":
		const size, count = 512, 100_000
		reached := make(chan bool)
		go deep(10_000, reached, make(chan bool))
		<-reached
		records := reserve(size * count)
		list(count, func(index int, last uintptr) uintptr {
			record := records + uintptr(index)*size
			copy(words(record, size/8), words(last, 400/8))
			return record
		})
	case "command":
		command()
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// command sets where the kernel finds the command line (prctl(2), PR_SET_MM_MAP; struct prctl_mm_map).
func command() {
	const bytes = 64 << 30
	stat, err := os.ReadFile("/proc/self/stat")
	check(err)
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+2:])
	field := func(number int) (value uint64) {
		_, err := fmt.Sscan(fields[number-3], &value)
		check(err)
		return
	}
	// start_code, end_code, start_data, end_data, start_brk, brk, start_stack, arg_start, arg_end, env_start, env_end,
	// auxv, auxv_size, exe_fd: as they are (proc(5)).
	start := uint64(reserve(bytes))
	// "liar", and nothing behind it.
	words(uintptr(start), 1)[0] = 0x7261696c
	now := [...]uint64{field(26), field(27), field(45), field(46), field(47), field(47), field(28),
		start, start + bytes, field(50), field(51)}
	var raw struct {
		fields [11]uint64
		auxv   uint64
		size   uint32
		exe    uint32
	}
	raw.fields, raw.exe = now, ^uint32(0)
	// PR_SET_MM, PR_SET_MM_MAP
	_, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, 35, 14,
		uintptr(unsafe.Pointer(&raw)), unsafe.Sizeof(raw), 0, 0)
	if errno != 0 {
		fmt.Println("cannot:", errno)
		os.Exit(0)
	}
}
