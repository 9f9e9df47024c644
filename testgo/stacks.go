package main

// Mode stacks: goroutines whose stacks grow deeply and shrink again for as long
// as they are observed. Whoever disturbs a stack while the runtime copies it
// changes a result, which is compared with one computed without recursion.

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
)

func init() {
	modes["stacks"] = mode{"stacks that grow and shrink until a line on stdin; checks its own results", runStacks}
}

type link struct {
	value uint64
	up    *link // points into the stack: the runtime adjusts it at each copy
}

// descend goes down to depth levels, each with a frame of its own size and a
// link on the stack, and at the bottom adds up all links by their pointers.
//
//go:noinline
func descend(seed uint64, depth int, up *link) uint64 {
	here := link{value: mix(seed, depth), up: up}
	if depth == 0 {
		sum := uint64(0)
		for at := &here; at != nil; at = at.up {
			sum = sum*31 + at.value
		}
		return sum
	}
	if depth%5 == 0 {
		return descendWide(seed, depth, &here)
	}
	return descend(seed, depth-1, &here)
}

//go:noinline
func descendWide(seed uint64, depth int, up *link) uint64 {
	var frame [192]uint64
	for i := range frame {
		frame[i] = seed + uint64(i)
	}
	sum := descend(seed, depth-1, up)
	for i := range frame {
		if frame[i] != seed+uint64(i) {
			atomic.AddUint64(&stackFaults, 1)
		}
	}
	return sum
}

// expected is what descend returns.
func expected(seed uint64, depth int) uint64 {
	sum := uint64(0)
	for d := 0; d <= depth; d++ {
		sum = sum*31 + mix(seed, d)
	}
	return sum
}

func mix(seed uint64, depth int) uint64 {
	x := seed + uint64(depth)*0x9e3779b97f4a7c15
	x ^= x >> 29
	return x * 0xbf58476d1ce4e5b9
}

var stackFaults, stackRounds uint64

// tower is a goroutine with a new, small stack: it grows it several times over.
func tower(seed uint64, group *sync.WaitGroup) {
	defer group.Done()
	for i := uint64(0); i < 4; i++ {
		depth := int((seed*7 + i*131) % 600)
		sum := expected(seed, depth)
		if descend(seed, depth, nil) != sum {
			atomic.AddUint64(&stackFaults, 1)
		}
		if fallen(depth, sum) != sum {
			atomic.AddUint64(&stackFaults, 1)
		}
		runtime.Gosched()
	}
	atomic.AddUint64(&stackRounds, 1)
}

// fallen returns what a panic deep below brings up.
func fallen(depth int, value uint64) (sum uint64) {
	defer func() { sum, _ = recover().(uint64) }()
	fall(depth, value)
	return 0
}

//go:noinline
func fall(depth int, value uint64) {
	defer func() { value++ }()
	if depth == 0 {
		panic(value)
	}
	fall(depth-1, value)
}

func runStacks(args []string) {
	flags := flag.NewFlagSet("stacks", flag.ExitOnError)
	workers := flags.Int("workers", 7, "towers at a time")
	parse(flags, args)
	ready()

	t := struct {
		truth
		Rounds uint64 `json:"rounds"`
		Faults uint64 `json:"faults"`
	}{truth: begin("stacks")}
	var stop uint32
	go func() {
		await()
		atomic.StoreUint32(&stop, 1)
	}()
	seed := uint64(0)
	for atomic.LoadUint32(&stop) == 0 {
		var group sync.WaitGroup
		for i := 0; i < *workers; i++ {
			seed++
			group.Add(1)
			go tower(seed, &group)
		}
		group.Wait()
		if seed%64 == 0 {
			runtime.GC() // shrinks stacks
		}
	}
	quiet(1)
	t.worked()
	t.Rounds, t.Faults = stackRounds, stackFaults
	done()
	towers := int(seed)
	t.Functions = []*function{{Calls: "main.tower", Creator: "main.runStacks", Created: towers, Exited: towers}}
	report(t)
}
