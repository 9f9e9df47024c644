package main

// Mode queue: goroutines that overflow the local run queue, go through the
// global one, and are stolen.

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
)

func init() {
	modes["queue"] = mode{"run queues: overflow to the global queue, gets from it, steals", runQueue}
}

var queued uint64

func queue() {
	atomic.AddUint64(&queued, 1)
}

// spin is stealable work of some µs.
func spin(group *sync.WaitGroup) {
	defer group.Done()
	for i := 0; i < 2000; i++ {
		atomic.AddUint64(&queued, 1)
	}
}

func runQueue(args []string) {
	flags := flag.NewFlagSet("queue", flag.ExitOnError)
	n := flags.Int("n", 1021, "goroutines started without yielding, on one P")
	steals := flags.Int("steals", 5003, "goroutines offered to other Ps, from one")
	parse(flags, args)
	procs := runtime.GOMAXPROCS(1)
	parkAll(*n) // so that later ones need no new memory, and are started quickly
	close(gate)
	quiet(1)
	ready()

	t := struct {
		truth
		// Of one P that starts n goroutines: runnext and 256 in the queue, then
		// each overflow takes half of the queue and the one that did not fit.
		Overflows int `json:"overflows"`
		// False if some ran in between, because their creator was preempted:
		// then there were fewer overflows.
		Undisturbed bool `json:"undisturbed"`
	}{truth: begin("queue")}
	if *n >= 258 {
		t.Overflows = (*n-258)/129 + 1
	}
	for i := 0; i < *n; i++ {
		go queue()
	}
	t.Undisturbed = atomic.LoadUint64(&queued) == 0
	quiet(1)
	if procs < 2 {
		procs = 2
	}
	runtime.GOMAXPROCS(procs)
	var group sync.WaitGroup
	for i := 0; i < *steals; i++ {
		group.Add(1)
		go spin(&group)
		if i%200 == 199 {
			group.Wait()
		}
	}
	group.Wait()
	quiet(1)
	t.worked()
	done()
	t.Functions = []*function{
		{Start: "main.queue", Calls: "main.queue", Creator: "main.runQueue", Created: *n, Exited: *n},
		{Calls: "main.spin", Creator: "main.runQueue", Created: *steals, Exited: *steals},
	}
	report(t)
}
