package main

// Mode exec: a process that replaces itself by exec, with the same pid, and
// that has children running the same file.

import (
	"flag"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() {
	modes["exec"] = mode{"execs itself again and again, and has children of the same program", runExec}
	modes["leave"] = mode{"goroutines, then an exec of its arguments: no account", runLeave}
	modes["grow"] = mode{"goroutines that stay, made from before ready on until the go-ahead", runGrow}
	modes["exec-child"] = mode{"a child of mode exec: no protocol", runExecChild}
}

//go:noinline
func generation() {
	runtime.Gosched()
}

func generate(n int) {
	for i := 0; i < n; i++ {
		go generation()
	}
	quiet(1)
}

func runExec(args []string) {
	flags := flag.NewFlagSet("exec", flag.ExitOnError)
	generations := flags.Int("generations", 5, "lives of the process")
	children := flags.Int("children", 2, "children of each")
	n := flags.Int("n", 101, "goroutines in each life and in each child")
	this := flags.Int("this", 1, "number of this life (not for users)")
	pids := flags.String("pids", "", "children so far (not for users)")
	parse(flags, args)
	if *this == 1 {
		ready()
	}
	generate(*n)
	for i := 0; i < *children; i++ {
		pid := child(*n)
		if *pids != "" {
			*pids += ","
		}
		*pids += strconv.Itoa(pid)
	}
	if *this < *generations {
		again := []string{os.Args[0], "exec",
			"-generations", strconv.Itoa(*generations), "-children", strconv.Itoa(*children),
			"-n", strconv.Itoa(*n), "-this", strconv.Itoa(*this + 1), "-pids", *pids}
		fail(syscall.Exec("/proc/self/exe", again, os.Environ()))
	}
	t := struct {
		truth
		Generations int   `json:"generations"`
		Children    []int `json:"children"`
		Each        int   `json:"each"` // goroutines of main.generation per life and per child
	}{truth: begin("exec"), Generations: *generations, Each: *n}
	for _, pid := range strings.Split(*pids, ",") {
		if number, err := strconv.Atoi(pid); err == nil {
			t.Children = append(t.Children, number)
		}
	}
	t.worked()
	done()
	created := *n * *generations
	t.Functions = []*function{{
		Start: "main.generation", Calls: "main.generation", Creator: "main.generate",
		Created: created, Exited: created,
	}}
	report(t)
}

// child runs exec-child to its end and returns its pid.
func child(n int) int {
	process, err := os.StartProcess("/proc/self/exe",
		[]string{os.Args[0], "exec-child", "-n", strconv.Itoa(n)},
		&os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stderr}})
	if err != nil {
		fail(err)
	}
	pid := process.Pid
	if _, err := process.Wait(); err != nil {
		fail(err)
	}
	return pid
}

func runExecChild(args []string) {
	flags := flag.NewFlagSet("exec-child", flag.ExitOnError)
	n := flags.Int("n", 101, "goroutines")
	parse(flags, args)
	generate(*n)
}

// runLeave becomes another program. What that is called with is what follows
// the flags.
func runLeave(args []string) {
	flags := flag.NewFlagSet("leave", flag.ExitOnError)
	n := flags.Int("n", 101, "goroutines")
	if err := flags.Parse(args); err != nil {
		fail(err)
	}
	ready()
	generate(*n)
	runtime.GC()
	fail(syscall.Exec(flags.Arg(0), flags.Args(), os.Environ()))
}

//go:noinline
func stay(stop chan bool) {
	<-stop
}

// runGrow never stops making goroutines while somebody attaches.
func runGrow(args []string) {
	flags := flag.NewFlagSet("grow", flag.ExitOnError)
	n := flags.Int("n", 200000, "goroutines at most")
	parse(flags, args)
	stop := make(chan bool)
	enough := make(chan bool)
	made := make(chan int)
	go func() {
		i := 0
		for ; i < *n; i++ {
			select {
			case <-enough:
				made <- i
				return
			default:
			}
			go stay(stop)
			time.Sleep(50 * time.Microsecond)
		}
		<-enough
		made <- i
	}()
	ready()
	t := begin("grow")
	enough <- true
	count := <-made
	t.worked()
	done()
	t.Functions = []*function{{
		Start: "main.stay", Calls: "main.stay", Creator: "main.runGrow.func1",
		Created: count, Exited: 0,
	}}
	report(t)
}
