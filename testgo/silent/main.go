// Runs another program of which some memory never answers whoever reads it: it belongs to a file system whose server, which
// is this program, says nothing when it is asked for contents; or userfaultfd(2) is to fill it, and does not. It is no
// memory that the other uses itself. Both end with this one's standard input, and the readers that wait are let go.
//
// Usage: silent memory|command|fault|stack|program|half|served DIRECTORY. `memory` and `fault`: runtime.allgs says that it
// lies there. `stack`: a part of one goroutine's stack, as by userfaultfd(2), and nothing else. `command`: the command line
// does. `program`: the file that is run does. `half`: of that file the second half does. `served`: nothing does, that file is
// answered for to the end.
package main

import (
	"bufio"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
)

const size = 1 << 18

type slice struct {
	array    uintptr
	len, cap int
}

func check(err error) {
	if err != nil {
		fmt.Println("cannot:", err)
		os.Exit(0)
	}
}

func call(trap uintptr, arguments ...uintptr) uintptr {
	var all [6]uintptr
	copy(all[:], arguments)
	value, _, errno := syscall.Syscall6(trap, all[0], all[1], all[2], all[3], all[4], all[5])
	if errno != 0 {
		check(errno)
	}
	return value
}

// contents is what the file has; nothing is said of it once it is silent.
var (
	contents []byte
	silent   int32
	mode     string
)

// answers tells whether there is an answer to a question for this part of the contents.
func answers(end uint64) bool {
	if atomic.LoadInt32(&silent) == 0 {
		return true
	}
	return mode == "served" || mode == "half" && end <= uint64(len(contents))/2
}

func attributes(node uint64) []byte {
	mode, bytes := uint32(syscall.S_IFDIR|0o755), uint64(0)
	if node != 1 {
		mode, bytes = syscall.S_IFREG|0o755, uint64(len(contents))
	}
	words := make([]byte, 88)
	binary.LittleEndian.PutUint64(words[0:], node)
	binary.LittleEndian.PutUint64(words[8:], bytes)
	binary.LittleEndian.PutUint64(words[16:], bytes/512)
	binary.LittleEndian.PutUint32(words[60:], mode)
	binary.LittleEndian.PutUint32(words[64:], 1)
	binary.LittleEndian.PutUint32(words[80:], 4096)
	return words
}

func words(values ...uint64) (bytes []byte) {
	for _, value := range values {
		bytes = binary.LittleEndian.AppendUint64(bytes, value)
	}
	return
}

// serve answers on /dev/fuse (include/uapi/linux/fuse.h): one directory with one file in it.
func serve(device int) {
	request := make([]byte, 1<<18)
	for {
		n, err := syscall.Read(device, request)
		if err == syscall.EINTR || err == syscall.ENOENT {
			continue
		}
		if err != nil {
			return
		}
		header := request[:n]
		code := binary.LittleEndian.Uint32(header[4:])
		unique := binary.LittleEndian.Uint64(header[8:])
		node := binary.LittleEndian.Uint64(header[16:])
		var answer []byte
		failure := int32(0)
		switch code {
		case 1: // lookup
			answer = append(words(2, 0, 0, 0, 0), attributes(2)...)
		case 2, 36, 42: // forget, interrupt, batch_forget: no answer
			continue
		case 3: // getattr
			if !answers(0) {
				continue
			}
			answer = append(words(0, 0), attributes(node)...)
		case 14, 27: // open, opendir
			answer = words(1, 0)
		case 15: // read
			at := binary.LittleEndian.Uint64(header[48:])
			end := at + uint64(binary.LittleEndian.Uint32(header[56:]))
			if !answers(end) {
				continue
			}
			if all := uint64(len(contents)); end > all {
				end = all
			}
			if at < end {
				answer = contents[at:end]
			}
		case 18, 25, 29: // release, flush, releasedir
		case 26: // init: version 7.31
			answer = append(words(7|31<<32, 1<<16, 12|12<<16|(1<<16)<<32, 1), make([]byte, 32)...)
		default:
			failure = -int32(syscall.ENOSYS)
		}
		reply := make([]byte, 16, 16+len(answer))
		binary.LittleEndian.PutUint32(reply, uint32(16+len(answer)))
		binary.LittleEndian.PutUint32(reply[4:], uint32(failure))
		binary.LittleEndian.PutUint64(reply[8:], unique)
		syscall.Write(device, append(reply, answer...))
	}
}

// mount gives the path of the file.
func mount(directory string) string {
	check(os.MkdirAll(directory, 0o755))
	device, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	check(err)
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", device)
	check(syscall.Mount("silent", directory, "fuse", 0, options))
	// Not before: nothing can be read from a device that is of no mount.
	go serve(device)
	return filepath.Join(directory, "file")
}

func mapped(fd int, flags uintptr) uintptr {
	const readWrite = syscall.PROT_READ | syscall.PROT_WRITE
	return call(syscall.SYS_MMAP, 0, size, readWrite, syscall.MAP_PRIVATE|flags, uintptr(fd), 0)
}

// ofFile is memory that belongs to the file.
func ofFile(path string) uintptr {
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	check(err)
	memory := mapped(fd, 0)
	check(syscall.Close(fd))
	return memory
}

// ofFault is memory that userfaultfd(2) is to fill.
func ofFault() uintptr {
	fd := call(323, syscall.O_CLOEXEC) // userfaultfd
	api := [3]uint64{0xaa}
	call(syscall.SYS_IOCTL, fd, 0xc018aa3f, uintptr(unsafe.Pointer(&api)))
	memory := mapped(-1, syscall.MAP_ANON)
	register := [4]uint64{uint64(memory), size, 1}
	call(syscall.SYS_IOCTL, fd, 0xc020aa00, uintptr(unsafe.Pointer(&register)))
	return memory
}

// stack is memory of a goroutine that waits for ever, with frames of its own above and below. That is not to be filled
// before it is silent.
func stack() uintptr {
	place := make(chan uintptr)
	go deep(64, place)
	return <-place
}

//go:noinline
func deep(depth int, place chan uintptr) {
	var room [4096]byte
	if depth == 0 {
		place <- uintptr(unsafe.Pointer(&room))
		select {}
	}
	deep(depth-1, place)
	runtime.KeepAlive(&room)
}

// isToBeFilled takes the contents away from memory, and has userfaultfd(2) fill it.
func isToBeFilled(memory uintptr) {
	fd := call(323, syscall.O_CLOEXEC) // userfaultfd
	api := [3]uint64{0xaa}
	call(syscall.SYS_IOCTL, fd, 0xc018aa3f, uintptr(unsafe.Pointer(&api)))
	const part = 32 << 10
	start := (memory + 4*4096) &^ 4095
	register := [4]uint64{uint64(start), part, 1}
	call(syscall.SYS_IOCTL, fd, 0xc020aa00, uintptr(unsafe.Pointer(&register)))
	call(syscall.SYS_MADVISE, start, part, syscall.MADV_DONTNEED)
}

func listsGoroutinesAt(memory uintptr) {
	file, err := elf.Open("/proc/self/exe")
	check(err)
	symbols, err := file.Symbols()
	check(err)
	for _, symbol := range symbols {
		if symbol.Name == "runtime.allgs" {
			address := uintptr(symbol.Value)
			allgs := (*slice)(*(*unsafe.Pointer)(unsafe.Pointer(&address)))
			allgs.array = memory
		}
	}
}

// command sets where the kernel finds the command line (prctl(2), PR_SET_MM_MAP; struct prctl_mm_map).
func command(start uintptr) {
	stat, err := os.ReadFile("/proc/self/stat")
	check(err)
	text := string(stat)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+2:])
	field := func(number int) (value uint64) {
		_, err := fmt.Sscan(fields[number-3], &value)
		check(err)
		return
	}
	var raw struct {
		fields [11]uint64
		auxv   uint64
		size   uint32
		exe    uint32
	}
	raw.fields = [...]uint64{field(26), field(27), field(45), field(46), field(47), field(47), field(28),
		uint64(start), uint64(start) + 64, field(50), field(51)}
	raw.exe = ^uint32(0)
	call(syscall.SYS_PRCTL, 35, 14, uintptr(unsafe.Pointer(&raw)), unsafe.Sizeof(raw), 0, 0)
}

// other is what the other program does: it takes the memory, and says that it lies there once the server is silent.
func other(mode, path string) {
	debug.SetGCPercent(-1)
	wait := bufio.NewReader(os.Stdin)
	var memory uintptr
	switch mode {
	case "memory", "command":
		memory = ofFile(path)
	case "fault":
		memory = ofFault()
	case "stack":
		memory = stack()
	}
	fmt.Println("begun")
	wait.ReadString('\n')
	switch mode {
	case "memory", "fault":
		listsGoroutinesAt(memory)
	case "command":
		command(memory)
	case "stack":
		isToBeFilled(memory)
	}
	fmt.Println("done")
	wait.ReadString('\n')
}

func main() {
	if os.Args[1] == "other" {
		other(os.Args[2], os.Args[3])
		return
	}
	// It would close pipes that are not used any more, and wait for who serves the file that is run.
	debug.SetGCPercent(-1)
	mode = os.Args[1]
	directory := os.Args[2]
	own, err := os.ReadFile("/proc/self/exe")
	check(err)
	contents = own
	file := mount(directory)
	run := "/proc/self/exe"
	isProgram := mode == "program" || mode == "half" || mode == "served"
	if isProgram {
		run = file
	}
	process := exec.Command(run, "other", mode, file)
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := process.StdinPipe()
	check(err)
	out, err := process.StdoutPipe()
	check(err)
	runtime.LockOSThread()
	check(process.Start())
	lines := bufio.NewReader(out)
	expect := func(word string) {
		if line, _ := lines.ReadString('\n'); line != word+"\n" {
			syscall.Unmount(directory, 2)
			fmt.Println("cannot:", line)
			os.Exit(0)
		}
	}
	expect("begun")
	check(syscall.Unmount(directory, 2)) // MNT_DETACH
	if !isProgram {
		atomic.StoreInt32(&silent, 1)
	}
	fmt.Fprintln(in, "go on")
	expect("done")
	atomic.StoreInt32(&silent, 1)
	fmt.Println(process.Process.Pid)
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	process.Process.Kill()
	os.Exit(0)
}
