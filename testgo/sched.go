package main

// Mode sched: goroutines that wait for every kind of reason, known numbers of
// times. Nobody is released before all of them are seen to wait, in what the
// runtime itself says of their state, and some time has passed: so each wait is
// one, and not shorter.

import (
	"bytes"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	modes["sched"] = mode{"goroutines that wait for each reason, known numbers of times", runSched}
}

const (
	leastWait = 2 * time.Millisecond
	nElders   = 7   // that never do anything, older than `ready`
	nLeft     = 11  // that wait for ever, begun between `ready` and `done`
	nYields   = 101 // of each that yields
	maxMany   = 32
)

// A waiting is one kind of goroutine.
type waiting struct {
	Function   string `json:"function"`
	Goroutines int    `json:"goroutines"`
	Rounds     int    `json:"rounds"`
	// What runtime.Stack said of them while they waited; empty where nobody looked.
	State   string `json:"state"`
	LeastNs int64  `json:"least_ns"`
	run     func()
	release func(i int)
	next    int32
	// How often each was released, for kinds that go on looking as if they
	// waited until the kernel has woken them: before that it is no use to look.
	woken []int32
}

// mine is a number of its own for each goroutine of a kind.
func (w *waiting) mine() int {
	return int(atomic.AddInt32(&w.next, 1)) - 1
}

var (
	receives, sends, selects, mutexes, conds, sleeps, reads, syscalls, yields waiting

	receiveFrom, sendTo, selectFrom [maxMany]chan int
	never                           = make(chan int)
	locks                           [maxMany]sync.Mutex
	condLocks                       [maxMany]sync.Mutex
	condOf                          [maxMany]*sync.Cond
	released                        [maxMany]bool
	readFrom, writeTo               [maxMany]*os.File
	rawFrom, rawTo                  [maxMany]int
)

func waitsReceive() {
	i := receives.mine()
	for r := 0; r < receives.Rounds; r++ {
		<-receiveFrom[i]
	}
}

func waitsSend() {
	i := sends.mine()
	for r := 0; r < sends.Rounds; r++ {
		sendTo[i] <- r
	}
}

func waitsSelect() {
	i := selects.mine()
	for r := 0; r < selects.Rounds; r++ {
		select {
		case <-selectFrom[i]:
		case <-never:
		}
	}
}

func waitsMutex() {
	i := mutexes.mine()
	for r := 0; r < mutexes.Rounds; r++ {
		locks[i].Lock()
		locks[i].Unlock()
		rawSignal(&lockTaken[i])
		for !rawSignalled(&lockFree[i]) { // until it is taken again
			runtime.Gosched()
		}
	}
}

func waitsCond() {
	i := conds.mine()
	for r := 0; r < conds.Rounds; r++ {
		condLocks[i].Lock()
		for !released[i] {
			condOf[i].Wait()
		}
		released[i] = false
		condLocks[i].Unlock()
	}
}

func waitsSleep() {
	sleeps.mine()
	for r := 0; r < sleeps.Rounds; r++ {
		time.Sleep(leastWait)
	}
}

func waitsRead() {
	i := reads.mine()
	var b [1]byte
	for r := 0; r < reads.Rounds; r++ {
		if _, err := readFrom[i].Read(b[:]); err != nil {
			fail(err)
		}
		atomic.AddInt32(&reads.woken[i], 1)
	}
}

func waitsSyscall() {
	i := syscalls.mine()
	var b [1]byte
	for r := 0; r < syscalls.Rounds; r++ {
		for {
			_, err := syscall.Read(rawFrom[i], b[:])
			if err == nil {
				atomic.AddInt32(&syscalls.woken[i], 1)
				break
			}
			if err != syscall.EINTR {
				fail(err)
			}
		}
	}
}

func yieldsOften() {
	yields.mine()
	for r := 0; r < yields.Rounds; r++ {
		runtime.Gosched()
	}
}

func staysBehind() {
	select {}
}

func isLeft() {
	<-never
}

// Whose turn it is with a lock: nothing that waits.
var lockTaken, lockFree [maxMany]int32

func rawSignal(flag *int32) { atomic.StoreInt32(flag, 1) }

func rawSignalled(flag *int32) bool { return atomic.CompareAndSwapInt32(flag, 1, 0) }

func kinds() []*waiting {
	var b [1]byte
	receives = waiting{Function: "main.waitsReceive", Goroutines: 13, Rounds: 7, run: waitsReceive,
		release: func(i int) { receiveFrom[i] <- i }}
	sends = waiting{Function: "main.waitsSend", Goroutines: 11, Rounds: 5, run: waitsSend,
		release: func(i int) { <-sendTo[i] }}
	selects = waiting{Function: "main.waitsSelect", Goroutines: 7, Rounds: 11, run: waitsSelect,
		release: func(i int) { selectFrom[i] <- i }}
	mutexes = waiting{Function: "main.waitsMutex", Goroutines: 5, Rounds: 13, run: waitsMutex,
		release: func(i int) {
			locks[i].Unlock()
			for !rawSignalled(&lockTaken[i]) {
				runtime.Gosched()
			}
			locks[i].Lock()
			rawSignal(&lockFree[i])
		}}
	conds = waiting{Function: "main.waitsCond", Goroutines: 17, Rounds: 3, run: waitsCond,
		release: func(i int) {
			condLocks[i].Lock()
			released[i] = true
			condLocks[i].Unlock()
			condOf[i].Signal()
		}}
	sleeps = waiting{Function: "main.waitsSleep", Goroutines: 19, Rounds: 3, run: waitsSleep}
	reads = waiting{Function: "main.waitsRead", Goroutines: 3, Rounds: 17, run: waitsRead, woken: make([]int32, maxMany),
		release: func(i int) {
			if _, err := writeTo[i].Write(b[:]); err != nil {
				fail(err)
			}
		}}
	syscalls = waiting{Function: "main.waitsSyscall", Goroutines: 5, Rounds: 7, run: waitsSyscall, woken: make([]int32, maxMany),
		release: func(i int) {
			if _, err := syscall.Write(rawTo[i], b[:]); err != nil {
				fail(err)
			}
		}}
	yields = waiting{Function: "main.yieldsOften", Goroutines: 7, Rounds: nYields, run: yieldsOften}
	for i := 0; i < maxMany; i++ {
		receiveFrom[i], sendTo[i], selectFrom[i] = make(chan int), make(chan int), make(chan int)
		condOf[i] = sync.NewCond(&condLocks[i])
	}
	for i := 0; i < reads.Goroutines; i++ {
		var err error
		if readFrom[i], writeTo[i], err = os.Pipe(); err != nil {
			fail(err)
		}
	}
	for i := 0; i < syscalls.Goroutines; i++ {
		var pipe [2]int
		if err := syscall.Pipe(pipe[:]); err != nil {
			fail(err)
		}
		rawFrom[i], rawTo[i] = pipe[0], pipe[1]
	}
	return []*waiting{&receives, &sends, &selects, &mutexes, &conds, &sleeps, &reads, &syscalls, &yields}
}

var stackText = make([]byte, 1<<20)

// waitsFor looks until `many` goroutines have function on their stack and all
// are in one and the same state of waiting, and says which.
func waitsFor(function string, many int) string {
	for {
		text := string(stackText[:runtime.Stack(stackText, true)])
		states := map[string]int{}
		for _, one := range strings.Split(text, "\n\n") {
			if !strings.Contains(one, function+"(") || !strings.HasPrefix(one, "goroutine ") {
				continue
			}
			state := one[strings.IndexByte(one, '[')+1 : strings.IndexByte(one, ']')]
			states[strings.Split(state, ",")[0]]++
		}
		for state, count := range states {
			if count == many && state != "running" && state != "runnable" {
				return state
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// wokenBy returns when all have gone on from the first r releases.
func (w *waiting) wokenBy(r int) {
	for i := 0; w.woken != nil && i < w.Goroutines; i++ {
		for int(atomic.LoadInt32(&w.woken[i])) < r {
			time.Sleep(time.Millisecond)
		}
	}
}

func (w *waiting) work() {
	if w == &mutexes {
		for i := 0; i < w.Goroutines; i++ {
			locks[i].Lock()
		}
	}
	w.LeastNs = int64(leastWait)
	before := runtime.NumGoroutine()
	for i := 0; i < w.Goroutines; i++ {
		go w.run()
	}
	for r := 0; w.release != nil && r < w.Rounds; r++ {
		w.wokenBy(r)
		w.State = waitsFor(w.Function, w.Goroutines)
		time.Sleep(leastWait)
		for i := 0; i < w.Goroutines; i++ {
			w.release(i)
		}
	}
	quiet(before)
}

func runSched(args []string) {
	flags := flag.NewFlagSet("sched", flag.ExitOnError)
	into := flags.String("trace", "", "write an execution trace of the work to this file")
	parse(flags, args)
	debug.SetGCPercent(-1)
	all := kinds()
	for i := 0; i < nElders; i++ {
		go staysBehind()
	}
	waitsFor("main.staysBehind", nElders)
	var written bytes.Buffer
	written.Grow(32 << 20)
	ready()

	if *into != "" {
		if err := trace.Start(&written); err != nil {
			fail(err)
		}
	}
	t := struct {
		truth
		Waits []*waiting `json:"waits"`
		// Goroutines that wait all the time, and from some moment on, and their states.
		Elders     int    `json:"elders"`
		ElderState string `json:"elder_state"`
		Left       int    `json:"left"`
		LeftState  string `json:"left_state"`
		Pulled     int    `json:"pulled"`
	}{truth: begin("sched"), Waits: all, Elders: nElders, Left: nLeft}
	for _, w := range all {
		w.work()
	}
	t.Pulled = handOver()
	for i := 0; i < nLeft; i++ {
		go isLeft()
	}
	t.LeftState = waitsFor("main.isLeft", nLeft)
	t.ElderState = waitsFor("main.staysBehind", nElders)
	if *into != "" {
		trace.Stop()
	}
	t.worked()
	done()
	if *into != "" {
		if err := os.WriteFile(*into, written.Bytes(), 0o600); err != nil {
			fail(err)
		}
	}
	report(t)
}
