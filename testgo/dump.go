package main

// Mode dump: goroutines blocked in every way, on stacks of every kind, that
// stay as they are while somebody reads them; the account is what the runtime
// itself prints of them.

import (
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func init() {
	modes["dump"] = mode{"goroutines blocked in every way; reports runtime.Stack of all", runDump}
}

type blocker struct {
	never chan int
	mutex sync.Mutex
	cond  *sync.Cond
	group sync.WaitGroup
	held  sync.RWMutex
}

func (b *blocker) receive()          { <-b.never }
func (b *blocker) send()             { b.never <- 1 }
func (b *blocker) lock()             { b.mutex.Lock() }
func (b *blocker) rlock()            { b.held.RLock() }
func (b blockerValue) viaInterface() { <-b.b.never }

type blockerValue struct{ b *blocker }

type viaInterface interface{ viaInterface() }

func (b *blocker) choose() {
	select {
	case <-b.never:
	case b.never <- 2:
	}
}

func (b *blocker) wait() {
	b.cond.L.Lock()
	b.cond.Wait()
}

// inner and outer are inlined into each other and into inlined.
func innermost(b *blocker) { <-b.never }
func middle(b *blocker)    { innermost(b) }

//go:noinline
func inlined(b *blocker) { middle(b) }

//go:noinline
func recurse(b *blocker, depth int) int {
	if depth == 0 {
		<-b.never
		return 0
	}
	return recurse(b, depth-1) + 1
}

//go:noinline
func genericBlock[T any](b *blocker, value T) T {
	<-b.never
	return value
}

// panicking blocks in a deferred call while a panic is on its way.
func panicking(b *blocker) {
	defer func() {
		<-b.never
	}()
	panic("on its way")
}

// faulting does so after a fault of the processor.
func faulting(b *blocker) {
	defer b.receive()
	var none *blockerValue
	none.b = b
}

// bigFrame has more on its stack than is copied at first.
func wideFrame(b *blocker) {
	var frame [40 << 10]byte
	keepBytes(&frame)
	<-b.never
	keepBytes(&frame)
}

func finalized(b *blocker) {
	object := &[8]int{1}
	runtime.SetFinalizer(object, func(*[8]int) { <-b.never })
}

func locked(b *blocker) {
	runtime.LockOSThread()
	<-b.never
}

func pipeRead(file *os.File) {
	var buffer [1]byte
	file.Read(buffer[:])
}

func rawRead(descriptor int) {
	var buffer [1]byte
	for {
		_, err := syscall.Read(descriptor, buffer[:])
		if err != syscall.EINTR {
			return
		}
	}
}

func nilReceive() { <-(chan int)(nil) }

func forever() { select {} }

// allStacks is what the runtime prints of all goroutines.
func allStacks() string {
	for size := 1 << 20; ; size *= 2 {
		buffer := make([]byte, size)
		if n := runtime.Stack(buffer, true); n < size {
			return string(buffer[:n])
		}
	}
}

// others is what it prints of all but the calling one.
func others() string {
	all := allStacks()
	if first := strings.Index(all, "\n\n"); first >= 0 {
		return all[first:]
	}
	return ""
}

func runDump([]string) {
	b := &blocker{never: make(chan int)}
	b.cond = sync.NewCond(&sync.Mutex{})
	b.mutex.Lock()
	b.held.Lock()
	b.group.Add(1)
	reader, writer, err := os.Pipe()
	if err != nil {
		fail(err)
	}
	var raw [2]int
	if err := syscall.Pipe(raw[:]); err != nil {
		fail(err)
	}
	for i := 0; i < 5; i++ {
		go b.receive()
		go b.lock()
	}
	// Senders and receivers must not meet: each has a channel of its own.
	go (&blocker{never: make(chan int)}).send()
	other := &blocker{never: make(chan int)}
	go other.choose()
	go b.rlock()
	go b.wait()
	go b.group.Wait()
	method := b.receive
	go method()
	var v viaInterface = blockerValue{b}
	go v.viaInterface()
	go func() { func() { <-b.never }() }()
	go inlined(b)
	go recurse(b, 3)
	go recurse(b, 70)
	go recurse(b, 1000)
	go genericBlock(b, "value")
	go genericBlock(b, 1)
	go panicking(b)
	go faulting(b)
	go wideFrame(b)
	go locked(b)
	go pipeRead(reader)
	go rawRead(raw[0])
	go nilReceive()
	go forever()
	go time.Sleep(time.Hour)
	go timed(b)
	time.AfterFunc(time.Millisecond, b.receive)
	finalized(b)
	runtime.GC()
	runtime.GC()

	// Quiet when nothing changes and nobody runs.
	before := ""
	for quietFor := 0; quietFor < 5; {
		time.Sleep(10 * time.Millisecond)
		now := others()
		if now == before && !strings.Contains(now, "[run") && strings.Contains(now, "finalized.func") {
			quietFor++
		} else {
			quietFor = 0
		}
		before = now
	}
	t := struct {
		truth
		Before string `json:"before"`
		After  string `json:"after"`
	}{truth: begin("dump")}
	ready()
	t.worked()
	t.Before = before
	t.After = others()
	done()
	report(t)
	runtime.KeepAlive(writer)
	runtime.KeepAlive(other)
}

// timed waits with a timer in a select.
func timed(b *blocker) {
	select {
	case <-b.never:
	case <-time.After(time.Hour):
	}
}
