// Command forked has two children that are forks of it without exec: one forked before the Go runtime began (by a
// constructor of C), one later. Neither runs any Go. It prints their pids, and ends them when stdin ends.
package main

/*
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>
static pid_t early;
static pid_t child(void) {
	pid_t pid = fork();
	if (pid == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); close(0); close(1); close(2); for (;;) pause(); }
	return pid;
}
__attribute__((constructor)) static void before_go(void) { early = child(); }
static pid_t early_child(void) { return early; }
static pid_t late_child(void) { return child(); }
*/
import "C"

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

func main() {
	runtime.LockOSThread() // the children end with this thread
	forever := make(chan int)
	for i := 0; i < 17; i++ {
		go func() { <-forever }()
	}
	time.Sleep(100 * time.Millisecond)
	fmt.Println(C.early_child(), C.late_child())
	io.Copy(io.Discard, os.Stdin)
}
