package main

// Modes for `make bench`: work whose cost is measured with and without an
// observer. Each does a fixed amount of one thing and tells how much CPU and
// wall time that took.

import (
	"flag"
	"io"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	modes["bench-spawn"] = mode{"goroutines that exit at once", bench(benchSpawn)}
	modes["bench-pingpong"] = mode{"two goroutines that hand a token to and fro", bench(benchPingpong)}
	modes["bench-alloc"] = mode{"small objects of mixed sizes", bench(benchAlloc)}
	modes["bench-stw"] = mode{"stops of the world with nothing to do in them", bench(benchSTW)}
	modes["bench-gc"] = mode{"garbage collections with a live heap", bench(benchGC)}
}

// measured is the account of such a mode.
type measured struct {
	truth
	Turns []turn `json:"turns"`
}

// turn is the same work done once.
type turn struct {
	Work   int64 `json:"work"`    // units done: goroutines, hand-overs, objects, cycles, requests
	CPUNs  int64 `json:"cpu_ns"`  // user and system time of this process
	WallNs int64 `json:"wall_ns"` // from beginning to end
}

// bench makes a mode of work that does about n units and returns how many. It
// is done in several turns, so that one process can be compared with itself:
// no two are equally fast.
func bench(work func(n int) int64) func([]string) {
	return func(args []string) {
		flags := flag.NewFlagSet("bench", flag.ExitOnError)
		n := flags.Int("n", 1000, "units of work")
		turns := flags.Int("turns", 1, "how often it is done, with a pause in between")
		traced := flags.Int("trace", 0, "under the runtime's own tracer each time that so many turns have come; 0: never")
		profiled := flags.Int("profiled", 0, "the same under its profiler of CPU time")
		parse(flags, args)
		work(*n/100 + 1) // everything has been paged in and grown
		t := measured{truth: begin("bench"), Turns: make([]turn, *turns)}
		ready()
		for i := range t.Turns {
			if i > 0 {
				pause("next")
			}
			isNow := func(each int) bool { return each > 0 && (i+1)%each == 0 }
			if isNow(*profiled) {
				if err := pprof.StartCPUProfile(io.Discard); err != nil {
					fail(err)
				}
			}
			if isNow(*traced) {
				if err := trace.Start(io.Discard); err != nil {
					fail(err)
				}
			}
			cpu, wall := cpuTime(), time.Now()
			units := work(*n)
			t.Turns[i] = turn{units, cpuTime() - cpu, time.Since(wall).Nanoseconds()}
			if isNow(*traced) {
				trace.Stop()
			}
			if isNow(*profiled) {
				pprof.StopCPUProfile()
			}
		}
		t.worked()
		done()
		report(t)
	}
}

// cpuTime is the CPU time of this process in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func benchSpawn(n int) int64 {
	var all sync.WaitGroup
	var ran int64
	for begun := 0; begun < n; {
		for i := 0; i < 64 && begun < n; i++ {
			all.Add(1)
			go func() {
				atomic.AddInt64(&ran, 1)
				all.Done()
			}()
			begun++
		}
		all.Wait()
	}
	return ran
}

func benchPingpong(n int) int64 {
	there, back := make(chan int), make(chan int)
	go func() {
		for token := range there {
			back <- token + 1
		}
		close(back)
	}()
	token := 0
	for i := 0; i < n; i++ {
		there <- token
		token = <-back
	}
	close(there)
	<-back
	return 2 * int64(token)
}

// Where objects go, so that they are really allocated.
var (
	bytesSink   [16]*[24]byte
	pointerSink [16]*[4]*int
	sliceSink   [16][]byte
	stringSink  [16]string
)

func benchAlloc(n int) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 0; i < n/4; i++ {
		slot := i % 16
		bytesSink[slot] = new([24]byte)
		pointerSink[slot] = new([4]*int)
		sliceSink[slot] = make([]byte, 8+i%500)
		stringSink[slot] = strconv.Itoa(1_000_000 + i)
	}
	runtime.ReadMemStats(&after)
	return int64(after.Mallocs - before.Mallocs)
}

var memStats runtime.MemStats

func benchSTW(n int) int64 {
	for i := 0; i < n; i++ {
		runtime.ReadMemStats(&memStats)
	}
	return int64(n)
}

// live is what the collector has to mark.
var live [][]*int

func benchGC(n int) int64 {
	if live == nil {
		for i := 0; i < 200; i++ {
			part := make([]*int, 1000)
			for j := range part {
				part[j] = new(int)
			}
			live = append(live, part)
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.NumGC
	for i := 0; i < n; i++ {
		for j := 0; j < 1000; j++ {
			live[(i+j)%len(live)][j] = new(int)
		}
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.NumGC - before)
}
