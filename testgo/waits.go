package main

// Mode waits: goroutines wait for each other, and what the program's own profiles of that say, to be held against what is
// read from outside.

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

func init() {
	modes["waits"] = mode{"waits for channels and locks, then writes its own profiles of that into -dir", runWaits}
}

type waitsLock struct {
	sync.Mutex
	n int
}

//go:noinline
func (l *waitsLock) hold(d time.Duration) {
	l.Lock()
	l.n++
	time.Sleep(d)
	l.Unlock()
}

// inlinedWait is inlined into its callers.
func inlinedWait(c chan int) int { return <-c }

func inlinedTwice(c chan int) int { return inlinedWait(c) + 1 }

type waiter struct{ c chan int }

func (w waiter) wait() { <-w.c }

type waits interface{ wait() }

func waitDeep(depth int, c chan int) {
	if depth > 0 {
		waitDeep(depth-1, c)
		return
	}
	<-c
}

func genericWait[T any](c chan T) T { return <-c }

func waitForAll() {
	c := make(chan int)
	var all sync.WaitGroup
	var both sync.RWMutex
	cond := sync.NewCond(&sync.Mutex{})
	var through waits = waiter{c}
	for _, wait := range []func(){
		func() { inlinedTwice(c) },
		func() { through.wait() },
		through.wait, // by a wrapper
		func() { waitDeep(3, c) },
		func() { waitDeep(150, c) },
		func() { genericWait(c) },
		func() {
			select {
			case <-c:
			case <-make(chan int):
			}
		},
		func() { both.RLock(); both.RUnlock() },
		func() { both.Lock(); both.Unlock() },
	} {
		all.Add(1)
		wait := wait
		go func() {
			defer all.Done()
			wait()
		}()
	}
	both.Lock()
	go func() {
		for i := 0; i < 7; i++ {
			time.Sleep(time.Millisecond)
			c <- i
		}
		cond.L.Lock()
		cond.Broadcast()
		cond.L.Unlock()
		both.Unlock()
	}()
	cond.L.Lock()
	cond.Wait()
	cond.L.Unlock()
	all.Wait()
	lock := &waitsLock{}
	for i := 0; i < 5; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < 11; i++ {
				lock.hold(100 * time.Microsecond)
			}
		}()
	}
	all.Wait()
}

func runWaits(args []string) {
	flags := flag.NewFlagSet("waits", flag.ExitOnError)
	dir := flags.String("dir", "", "where the profiles are written")
	block := flags.Int("block", 0, "runtime.SetBlockProfileRate")
	mutex := flags.Int("mutex", 0, "runtime.SetMutexProfileFraction")
	off := flags.Bool("off", false, "switch the one of locks off again")
	asked := flags.Bool("asked", false, "has written its profiles before")
	parked := flags.Int("parked", 0, "goroutines that wait meanwhile")
	parse(flags, args)
	runtime.SetBlockProfileRate(*block)
	runtime.SetMutexProfileFraction(*mutex)
	kinds := []string{"block", "mutex"}
	waitForAll()
	if *asked {
		for _, kind := range kinds {
			if err := pprof.Lookup(kind).WriteTo(io.Discard, 0); err != nil {
				fail(err)
			}
		}
	}
	if *dir != "" {
		// Of what happens from now on the numbers do not tell.
		if *off {
			runtime.SetMutexProfileFraction(0)
		}
		if *block > 0 {
			runtime.SetBlockProfileRate(1 << 40)
		}
		time.Sleep(20 * time.Millisecond)
	}
	var held sync.Mutex
	held.Lock()
	stop := make(chan struct{})
	for i := 0; i < *parked; i++ {
		go parkForProfile(stop)
		go lockForProfile(&held)
	}
	t := begin("waits")
	ready()
	t.worked()
	for _, kind := range kinds {
		if *dir == "" {
			continue
		}
		file, err := os.Create(filepath.Join(*dir, kind+".pb.gz"))
		if err != nil {
			fail(err)
		}
		if err := pprof.Lookup(kind).WriteTo(file, 0); err != nil {
			fail(err)
		}
		file.Close()
	}
	done()
	close(stop)
	held.Unlock()
	report(t)
}

//go:noinline
func lockForProfile(m *sync.Mutex) {
	m.Lock()
	m.Unlock()
}
