// Stands still in a state that is known: goroutines that wait, run queues that are full, a main goroutine that is alive
// or not. Its one argument says which.
package main

import (
	"encoding/json"
	"os"
	"runtime"
	"time"
)

//go:noinline
func waits(ch chan int) { <-ch }

//go:noinline
func sleeps() { time.Sleep(time.Hour) }

//go:noinline
func locked(ch chan int) {
	runtime.LockOSThread()
	<-ch
}

//go:noinline
func never() {}

//go:noinline
func brief(done chan bool) { done <- true }

var sink []byte

func start(ch chan int) {
	for i := 0; i < 5; i++ {
		go waits(ch)
	}
	for i := 0; i < 3; i++ {
		go sleeps()
	}
	go locked(ch)
}

// What the runtime says of itself once everything rests.
func truth() {
	for i := 0; i < 100; i++ {
		sink = make([]byte, 100_000)
	}
	runtime.GC()
	runtime.GC()
	time.Sleep(300 * time.Millisecond)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	text, _ := json.Marshal(map[string]uint64{
		"goroutines": uint64(runtime.NumGoroutine()),
		"processors": uint64(runtime.GOMAXPROCS(0)),
		"gc_cycles_in_all": uint64(stats.NumGC),
		"heap_goal_bytes": stats.NextGC,
	})
	os.Stdout.WriteString(string(text) + "\n")
}

func main() {
	ch := make(chan int)
	start(ch)
	switch os.Args[1] {
	case "rest":
		truth()
	case "pile":
		// One processor, which main keeps to itself: all these are in its queue.
		runtime.GOMAXPROCS(1)
		os.Stdout.WriteString("{}\n")
		// Whenever main is preempted all run, and are over.
		for alone := runtime.NumGoroutine(); runtime.NumGoroutine() < alone+100; {
			go never()
		}
		for i := 0; i >= 0; i++ {
		}
	case "ended":
		go func() {
			time.Sleep(300 * time.Millisecond)
			done := make(chan bool)
			for i := 0; i < 10; i++ {
				go brief(done)
				<-done
			}
			truth()
			done2 := time.NewTicker(100 * time.Millisecond)
			for range done2.C {
				go brief(done)
				<-done
			}
		}()
		runtime.Goexit()
	}
	select {}
}
