// Command debugger traces a process as debuggers do: it stops all threads, writes a breakpoint where it is told to (at an
// address in hexadecimal, 0 for none), and lets the process run; with `hold` it does not. It prints `attached`, and goes on
// until it is killed. With `again` it writes the breakpoint again and again, so that it is there when whoever else had one
// there has taken it away. The breakpoint is not meant to be hit.
//
//	debugger PID ADDRESS [hold | again]
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const allThreads = 0x40000000 // __WALL

func check(what string, err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what, err)
		os.Exit(4)
	}
}

// attach stops all threads, also those that begin meanwhile.
func attach(pid int) []int {
	attached := map[int]bool{}
	var order []int
	for again := true; again; {
		again = false
		tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		check("threads", err)
		for _, task := range tasks {
			tid, _ := strconv.Atoi(task.Name())
			if attached[tid] {
				continue
			}
			if err := syscall.PtraceAttach(tid); err == syscall.ESRCH {
				continue
			} else {
				check("attach", err)
			}
			_, err := syscall.Wait4(tid, nil, allThreads, nil)
			check("wait", err)
			attached[tid], again = true, true
			order = append(order, tid)
		}
	}
	return order
}

func main() {
	runtime.LockOSThread() // a tracer is a thread
	pid, err := strconv.Atoi(os.Args[1])
	check("pid", err)
	at, err := strconv.ParseUint(os.Args[2], 16, 64)
	check("address", err)
	threads := attach(pid)
	if at != 0 {
		_, err := syscall.PtracePokeData(pid, uintptr(at), []byte{0xcc})
		check("poke", err)
	}
	mode := append(os.Args, "")[3]
	hold := mode == "hold"
	if mode == "again" {
		memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_WRONLY, 0)
		check("memory", err)
		go func() {
			for range time.Tick(time.Millisecond / 10) {
				memory.WriteAt([]byte{0xcc}, int64(at))
			}
		}()
	}
	for _, tid := range threads {
		if !hold {
			check("continue", syscall.PtraceCont(tid, 0))
		}
	}
	fmt.Println("attached")
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-1, &status, allThreads|syscall.WNOHANG, nil)
		if err == syscall.ECHILD {
			return
		}
		if tid > 0 && status.Stopped() {
			syscall.PtraceCont(tid, int(status.StopSignal()))
		} else if tid <= 0 {
			time.Sleep(time.Millisecond)
		}
	}
}
