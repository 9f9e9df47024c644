package main

// Mode cpu: burns CPU time in functions by name and says how much in each, by
// the kernel's account of the thread. What they do is what stacks are hard to
// read in: functions without a frame, assembly, the vDSO, the scheduler's
// stack, functions that have only begun, system calls.

import (
	"crypto/sha256"
	"flag"
	"runtime"
	"syscall"
	"time"

	"testgo/clib"
)

func init() {
	modes["cpu"] = mode{"burns CPU time in functions by name, -ms of it in each", runCPU}
}

type burned struct {
	Name string `json:"name"`
	Ns   int64  `json:"ns"`
}

type cpuTruth struct {
	truth
	Burned []burned `json:"burned"`
	// All that the process used between ready and the end.
	CPUNs int64 `json:"cpu_ns"`
}

var (
	cpuSink  uint64
	cpuBytes [1 << 16]byte
	cpuOther [1 << 16]byte
	cpuHeap  []byte
)

//go:noinline
func burnLeaf() {
	for i := 0; i < 1<<16; i++ {
		cpuSink = leaf(cpuSink)
	}
}

// leaf has no frame.
//
//go:noinline
func leaf(seed uint64) uint64 {
	return seed*6364136223846793005 + 1442695040888963407
}

//go:noinline
func burnCopy() {
	for i := 0; i < 64; i++ {
		copy(cpuBytes[:], cpuOther[:])
	}
}

//go:noinline
func burnSum() {
	for i := 0; i < 8; i++ {
		cpuSink += uint64(sha256.Sum256(cpuBytes[:])[0])
	}
}

//go:noinline
func burnTime() {
	for i := 0; i < 1<<12; i++ {
		cpuSink += uint64(time.Now().UnixNano())
	}
}

//go:noinline
func burnCalls() {
	for i := 0; i < 1<<10; i++ {
		cpuSink += uint64(syscall.Getppid())
	}
}

//go:noinline
func burnAllocation() {
	for i := 0; i < 1<<8; i++ {
		cpuHeap = make([]byte, 1<<12)
	}
}

//go:noinline
func burnGrowth() {
	done := make(chan uint64)
	for i := 0; i < 1<<4; i++ {
		go func() { done <- descend(uint64(i), 50, nil) }()
		cpuSink += <-done
	}
}

// burnBack is called by C, which is called by burnForeign.
//
//go:noinline
func burnBack() {
	for i := 0; i < 1<<14; i++ {
		cpuSink = leaf(cpuSink)
	}
}

//go:noinline
func burnForeign() {
	turns := 0
	clib.Spin(1<<14, func() bool {
		burnBack()
		turns++
		return turns < 16
	})
}

func used(who int) int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		fail(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func runCPU(args []string) {
	flags := flag.NewFlagSet("cpu", flag.ExitOnError)
	ms := flags.Int64("ms", 300, "CPU time of each function")
	rounds := flags.Int("rounds", 10, "how often all of them come")
	flags.Parse(args)
	kinds := []struct {
		name string
		burn func()
	}{
		{"main.burnLeaf", burnLeaf},
		{"main.burnCopy", burnCopy},
		{"main.burnSum", burnSum},
		{"main.burnTime", burnTime},
		{"main.burnCalls", burnCalls},
		{"main.burnAllocation", burnAllocation},
		{"main.burnGrowth", burnGrowth},
		{"main.burnForeign", burnForeign},
	}
	const thread = 1 // RUSAGE_THREAD
	runtime.LockOSThread()
	t := cpuTruth{truth: begin("cpu")}
	for _, kind := range kinds {
		t.Burned = append(t.Burned, burned{Name: kind.name})
	}
	ready()
	began := used(syscall.RUSAGE_SELF)
	for round := 0; round < *rounds; round++ {
		for i, kind := range kinds {
			for spent, from := int64(0), used(thread); spent < *ms*1e6/int64(*rounds); {
				kind.burn()
				now := used(thread)
				spent += now - from
				t.Burned[i].Ns += now - from
				from = now
			}
		}
	}
	t.CPUNs = used(syscall.RUSAGE_SELF) - began
	t.worked()
	done()
	report(t)
}
