package main

// Mode goroutines: every way of starting a goroutine and of ending one.

import (
	"sync"
	"time"
)

func init() {
	modes["goroutines"] = mode{"every kind of go statement and of exit, with goids, sites and times", runGoroutines}
}

// How many goroutines of each kind; primes, so that no two sums look alike.
const (
	nNamed     = 101
	nClosure   = 103
	nMethod    = 107
	nDynamic   = 109
	nArguments = 113
	nInterface = 127
	nGoexit    = 131
	nRecovered = 137
	nBigFrame  = 139
	nRecursive = 149
	nGeneric   = 151
	nVirtual   = 157
	nOuter     = 13
	nInner     = 11 // of each outer
	nTimer     = 23
	nSleeper   = 29
	nSurvivor  = 17 // alive at `done`
	nElder     = 19 // older than `ready`, exit in between
)

// Least time a sleeper runs.
const sleeperTime = 20 * time.Millisecond

var (
	who     *witnesses
	pending sync.WaitGroup
	release = make(chan struct{})
	elders  = make(chan struct{})
	mainID  uint64
)

func runGoroutines([]string) {
	who = newWitnesses()
	mainID = goid()
	for i := 0; i < nElder; i++ {
		pending.Add(1)
		go elder()
	}
	for alive := 0; alive < nElder; {
		time.Sleep(time.Millisecond)
		who.mutex.Lock()
		alive = 0
		for _, f := range who.functions {
			alive += f.Created
		}
		who.mutex.Unlock()
	}
	who.settle()
	ready()

	t := begin("goroutines")
	close(elders)
	startNamed(nNamed)
	startClosure(nClosure)
	startMethod(nMethod)
	startDynamic(nDynamic)
	startArguments(nArguments)
	startInterface(nInterface)
	startGoexit(nGoexit)
	startRecovered(nRecovered)
	startBigFrame(nBigFrame)
	startRecursive(nRecursive)
	startGeneric(nGeneric)
	startVirtual(nVirtual)
	startOuter(nOuter)
	startTimer(nTimer)
	startSleeper(nSleeper)
	pending.Wait()
	startSurvivors(nSurvivor)
	quiet(1 + nSurvivor)
	t.worked()
	done()
	t.Functions = who.sorted()
	report(t)
	close(release)
}
