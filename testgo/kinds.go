package main

// The kinds of goroutine of mode goroutines: for each the function that runs
// and the function that starts n of them.

import (
	"runtime"
	"sync"
	"time"
)

func elder() {
	here := who.enter("main.elder", mainID)
	<-elders
	here.leave()
	pending.Done()
}

func named() {
	here := who.enter("main.named", mainID)
	defer pending.Done()
	defer here.leave()
	runtime.Gosched()
}

func startNamed(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go named()
	}
}

func startClosure(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		captured := i
		go func() {
			here := who.enter("main.startClosure.func1", mainID)
			defer pending.Done()
			defer here.leave()
			runtime.KeepAlive(captured)
		}()
	}
}

type object struct{ value int }

func (o *object) method() {
	here := who.enter("main.(*object).method", mainID)
	defer pending.Done()
	defer here.leave()
	o.value++
}

func startMethod(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		o := &object{i}
		go o.method()
	}
}

func dynamicEven() {
	here := who.enter("main.dynamicEven", mainID)
	defer pending.Done()
	defer here.leave()
}

func dynamicOdd() {
	here := who.enter("main.dynamicOdd", mainID)
	defer pending.Done()
	defer here.leave()
}

// dynamics is a variable so that the compiler cannot know what startDynamic starts.
var dynamics = []func(){dynamicEven, dynamicOdd}

func startDynamic(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		f := dynamics[i%len(dynamics)]
		go f()
	}
}

//go:noinline
func arguments(a int, b string) {
	here := who.enter("main.arguments", mainID)
	defer pending.Done()
	defer here.leave()
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}

func startArguments(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go arguments(i, "argument")
	}
}

type worker interface{ work(int) }

func (o object) work(n int) {
	here := who.enter(resolvedInterface, mainID)
	defer pending.Done()
	defer here.leave()
	o.value += n
}

func startInterface(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		var w worker = object{i}
		go w.work(i)
	}
}

func leaves() {
	here := who.enter("main.leaves", mainID)
	defer pending.Done()
	defer here.leave()
	func() {
		runtime.Goexit()
	}()
}

func startGoexit(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go leaves()
	}
}

func recovered() {
	here := who.enter("main.recovered", mainID)
	defer pending.Done()
	defer here.leave()
	defer func() { _ = recover() }()
	var none *object
	none.value++ // a real fault, not just a call of panic
}

func startRecovered(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go recovered()
	}
}

// bigFrame needs more stack than a goroutine is born with: its stack grows at
// the entry of the start function, which then runs from its entry again.
func bigFrame() {
	var frame [40 << 10]byte
	here := who.enter("main.bigFrame", mainID)
	defer pending.Done()
	defer here.leave()
	for i := range frame {
		frame[i] = byte(i)
	}
	keepBytes(&frame)
}

//go:noinline
func keepBytes(*[40 << 10]byte) {}

func startBigFrame(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go bigFrame()
	}
}

// depth is how many more calls a recursion makes.
type depth struct{ left int }

// recursive starts once and calls another function recursively.
func recursive() {
	here := who.enter("main.recursive", mainID)
	again(&depth{7})
	here.leave()
	pending.Done()
}

//go:noinline
func again(d *depth) {
	if d.left--; d.left > 0 {
		again(d)
	}
}

// recursions holds the *depth of each goroutine in recursiveStart, by goid.
var recursions sync.Map

// recursiveStart starts once and then calls itself 7 levels deep: only its first
// run is the beginning of a goroutine.
func recursiveStart() {
	id := goid()
	if d, ok := recursions.Load(id); ok {
		d := d.(*depth)
		if d.left--; d.left > 0 {
			recursiveStart()
		}
		return
	}
	here := who.enter("main.recursiveStart", mainID)
	recursions.Store(id, &depth{7})
	recursiveStart()
	recursions.Delete(id)
	here.leave()
	pending.Done()
}

func startRecursive(n int) {
	for i := 0; i < n; i++ {
		pending.Add(2)
		go recursiveStart()
		go recursive()
	}
}

func generic[T any](value T) {
	here := who.enter("main.generic[...]", mainID)
	defer pending.Done()
	defer here.leave()
	runtime.KeepAlive(value)
}

func startGeneric(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go generic("value")
	}
}

type number int

func (n number) work(int) {
	here := who.enter("", mainID)
	defer pending.Done()
	defer here.leave()
}

type letter string

func (l letter) work(int) {
	here := who.enter("", mainID)
	defer pending.Done()
	defer here.leave()
}

// workers is a variable so that the compiler cannot know which method runs.
var workers = []worker{number(1), letter("a")}

func startVirtual(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go workers[i%len(workers)].work(i)
	}
}

func outer() {
	here := who.enter("main.outer", mainID)
	defer pending.Done()
	defer here.leave()
	self := goid()
	for i := 0; i < nInner; i++ {
		pending.Add(1)
		go inner(self)
	}
}

func inner(parent uint64) {
	here := who.enter("main.inner", parent)
	defer pending.Done()
	defer here.leave()
}

func startOuter(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go outer()
	}
}

// timerFired is started by the scheduler, not by a goroutine.
func timerFired() {
	here := who.enter("main.timerFired", 0)
	defer pending.Done()
	defer here.leave()
}

func startTimer(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		time.AfterFunc(time.Duration(i%5)*time.Millisecond, timerFired)
	}
}

func sleeper() {
	here := who.enter("main.sleeper", mainID)
	defer pending.Done()
	defer here.leave()
	time.Sleep(sleeperTime)
}

func startSleeper(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go sleeper()
	}
}

func survivor() {
	here := who.enter("main.survivor", mainID)
	pending.Done()
	<-release
	_ = here
}

func startSurvivors(n int) {
	for i := 0; i < n; i++ {
		pending.Add(1)
		go survivor()
	}
	pending.Wait()
}
