package main

// Mode wall: goroutines that wait in functions by name, for ever or for a while
// again and again, and that live for a moment only. How long all of them were in
// each function together is said by the program's own clock.

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	modes["wall"] = mode{"goroutines in functions by name, for known times", runWall}
}

// In a dwelling goroutines are for some time.
type dwelling struct {
	Name string `json:"name"`
	Ns   int64  `json:"ns"`
	// How many of them are there all the time; 0: they come and go.
	always int64
}

var (
	wallReceives = dwelling{Name: "main.wallReceive", always: 300}
	wallSelects  = dwelling{Name: "main.wallSelect", always: 100}
	wallLocks    = dwelling{Name: "main.wallLock", always: 50}
	wallReads    = dwelling{Name: "main.wallRead", always: 8}
	wallSleeps   = dwelling{Name: "main.wallSleep"}
	wallTurns    = dwelling{Name: "main.wallTurn"}
	wallMoments  = dwelling{Name: "main.wallMoment"}

	wallNever = make(chan int)
	wallOther = make(chan int)
	wallLock1 sync.Mutex
	wallEnds  int32
)

func (d *dwelling) during(stay func()) {
	from := time.Now()
	stay()
	atomic.AddInt64(&d.Ns, int64(time.Since(from)))
}

//go:noinline
func wallReceive() { <-wallNever }

//go:noinline
func wallSelect() {
	select {
	case <-wallNever:
	case <-wallOther:
	}
}

//go:noinline
func wallLock() { wallLock1.Lock() }

//go:noinline
func wallRead(fd int) {
	var b [1]byte
	syscall.Read(fd, b[:])
}

//go:noinline
func wallSleep() { time.Sleep(7 * time.Millisecond) }

//go:noinline
func wallTurn() {
	timer := time.NewTimer(3 * time.Millisecond)
	<-timer.C
}

//go:noinline
func wallMoment() { time.Sleep(2 * time.Millisecond) }

func runWall(args []string) {
	flags := flag.NewFlagSet("wall", flag.ExitOnError)
	ms := flags.Int64("ms", 3000, "how long")
	flags.Parse(args)
	t := struct {
		truth
		Dwellings []*dwelling `json:"dwellings"`
		ElapsedNs int64       `json:"elapsed_ns"`
	}{truth: begin("wall")}
	wallLock1.Lock()
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		fail(err)
	}
	for _, of := range []struct {
		*dwelling
		stay func()
	}{
		{&wallReceives, wallReceive},
		{&wallSelects, wallSelect},
		{&wallLocks, wallLock},
		{&wallReads, func() { wallRead(pipe[0]) }},
	} {
		for i := int64(0); i < of.always; i++ {
			go of.stay()
		}
	}
	// All of them are where they stay.
	time.Sleep(100 * time.Millisecond)
	ready()
	from := time.Now()
	var others sync.WaitGroup
	for i := 0; i < 200; i++ {
		others.Add(1)
		go func() {
			defer others.Done()
			for atomic.LoadInt32(&wallEnds) == 0 {
				wallSleeps.during(wallSleep)
				wallTurns.during(wallTurn)
			}
		}()
	}
	for time.Since(from) < time.Duration(*ms)*time.Millisecond {
		for i := 0; i < 100; i++ {
			others.Add(1)
			go func() {
				defer others.Done()
				wallMoments.during(wallMoment)
			}()
		}
		time.Sleep(4 * time.Millisecond)
	}
	atomic.StoreInt32(&wallEnds, 1)
	others.Wait()
	t.ElapsedNs = int64(time.Since(from))
	t.worked()
	done()
	for _, d := range []*dwelling{
		&wallReceives, &wallSelects, &wallLocks, &wallReads, &wallSleeps, &wallTurns, &wallMoments,
	} {
		if d.always > 0 {
			d.Ns = d.always * t.ElapsedNs
		}
		t.Dwellings = append(t.Dwellings, d)
	}
	report(t)
	runtime.KeepAlive(pipe)
}
