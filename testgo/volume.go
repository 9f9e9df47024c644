package main

// Modes about numbers of goroutines: hot, churn, parked, die.

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	modes["hot"] = mode{"a start function that is also called directly, very often", runHot}
	modes["churn"] = mode{"many short goroutines from several creators", runChurn}
	modes["parked"] = mode{"many goroutines alive at once, then released; stops at `parked`", runParked}
	modes["die"] = mode{"goroutines as fast as it can, then SIGKILL to itself", runDie}
}

// parse reads the flags of a mode.
func parse(flags *flag.FlagSet, args []string) {
	if err := flags.Parse(args); err != nil {
		fail(err)
	}
}

var hotSum uint64

// hot runs as a goroutine and, far more often, as an ordinary function.
//
//go:noinline
func hot() {
	atomic.AddUint64(&hotSum, 1)
}

func runHot(args []string) {
	flags := flag.NewFlagSet("hot", flag.ExitOnError)
	n := flags.Int("n", 1009, "goroutines")
	calls := flags.Int("calls", 1000003, "direct calls")
	parse(flags, args)
	ready()

	t := struct {
		truth
		Calls int `json:"direct_calls"`
	}{begin("hot"), *calls}
	for i := 0; i < *n; i++ {
		go hot()
		for j := *calls * i / *n; j < *calls*(i+1) / *n; j++ {
			hot()
		}
	}
	quiet(1)
	t.worked()
	if got := atomic.LoadUint64(&hotSum); got != uint64(*n+*calls) {
		println("testgo: hot ran", got, "times")
	}
	done()
	t.Functions = []*function{{
		Start: "main.hot", Calls: "main.hot", Creator: "main.runHot", Created: *n, Exited: *n,
	}}
	report(t)
}

var churned uint64

//go:noinline
func churn() {
	atomic.AddUint64(&churned, 1)
}

// spawn starts n goroutines, with at most 1024 of them pending.
func spawn(n int, creators *sync.WaitGroup) {
	defer creators.Done()
	for i := 1; i <= n; i++ {
		go churn()
		if i%1024 == 0 {
			runtime.Gosched()
		}
	}
}

func runChurn(args []string) {
	flags := flag.NewFlagSet("churn", flag.ExitOnError)
	n := flags.Int("n", 200003, "goroutines")
	creators := flags.Int("creators", 5, "goroutines that create them")
	parse(flags, args)
	ready()

	t := begin("churn")
	var group sync.WaitGroup
	for i := 0; i < *creators; i++ {
		group.Add(1)
		go spawn(*n*(i+1) / *creators - *n*i / *creators, &group)
	}
	group.Wait()
	quiet(1)
	t.worked()
	if got := atomic.LoadUint64(&churned); got != uint64(*n) {
		println("testgo: churn ran", got, "times")
	}
	done()
	t.Functions = []*function{
		{Start: "main.churn", Calls: "main.churn", Creator: "main.spawn", Created: *n, Exited: *n},
		{Calls: "main.spawn", Creator: "main.runChurn", Created: *creators, Exited: *creators},
	}
	report(t)
}

var gate = make(chan struct{})

func park() {
	<-gate
}

func runParked(args []string) {
	flags := flag.NewFlagSet("parked", flag.ExitOnError)
	n := flags.Int("n", 100003, "goroutines")
	before := flags.Bool("before", false, "park them before `ready`")
	parse(flags, args)
	f := &function{Start: "main.park", Calls: "main.park", Creator: "main.parkAll", Exited: *n}
	if *before {
		f.Elder = true
		parkAll(*n)
	}
	ready()

	t := begin("parked")
	if !*before {
		f.Created = *n
		parkAll(*n)
	}
	pause("parked")
	close(gate)
	quiet(1)
	t.worked()
	done()
	t.Functions = []*function{f}
	report(t)
}

func parkAll(n int) {
	for i := 0; i < n; i++ {
		go park()
	}
}

func runDie(args []string) {
	flags := flag.NewFlagSet("die", flag.ExitOnError)
	after := flags.Duration("after", 300*time.Millisecond, "time to live from `ready`")
	parse(flags, args)
	ready()

	deadline := time.Now().Add(*after)
	for time.Now().Before(deadline) {
		for i := 0; i < 100; i++ {
			go churn()
		}
		runtime.Gosched()
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGKILL); err != nil {
		fail(err)
	}
	select {}
}
