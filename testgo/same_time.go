package main

// Mode same-time: does one kind of work, and writes its own profile of CPU time meanwhile, as net/http/pprof does.

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"os"
	"runtime/pprof"
	"sort"
	"strings"
	"sync"
	"syscall"

	"testgo/clib"
)

func init() {
	modes["same-time"] = mode{"profiles itself, into -file, while it works as -load says", runSameTime}
}

type basket struct {
	Name  string
	Lines []int
	Next  *basket
}

var (
	sameSink interface{}
	sameSum  uint64
)

//go:noinline
func reply(n int) {
	lines := make([]int, 0, n)
	for i := 0; i < n; i++ {
		lines = append(lines, (i*7919)%n)
	}
	sort.Ints(lines)
	text, err := json.Marshal(basket{Name: strings.Repeat("x", n), Lines: lines})
	if err != nil {
		fail(err)
	}
	sum := sha256.Sum256(text)
	var back basket
	if err := json.Unmarshal(text, &back); err != nil {
		fail(err)
	}
	sameSink = sum[0]
}

//go:noinline
func count(n int) {
	counts := map[string]int{}
	for i := 0; i < n; i++ {
		counts[strings.Repeat("k", i%97)]++
	}
	for i := 0; i < 1<<14; i++ {
		sameSum = leaf(sameSum)
	}
}

//go:noinline
func pass(n int) {
	c := make(chan int)
	go func() {
		defer close(c)
		for i := 0; i < n; i++ {
			c <- i
		}
	}()
	for i := range c {
		sameSum += uint64(i)
	}
}

//go:noinline
func chain(depth int) *basket {
	if depth == 0 {
		return &basket{Name: "leaf"}
	}
	return &basket{Next: chain(depth - 1), Lines: make([]int, 8)}
}

//go:noinline
func callC(n int) {
	for i := 0; i < n; i++ {
		sameSum += uint64(clib.Triple(i))
	}
}

func runSameTime(args []string) {
	flags := flag.NewFlagSet("same-time", flag.ExitOnError)
	path := flags.String("file", "", "where its profile is written")
	load := flags.String("load", "server", "server, collector or c")
	ms := flags.Int64("ms", 8000, "CPU time")
	parse(flags, args)
	file, err := os.Create(*path)
	if err != nil {
		fail(err)
	}
	var kept [64]*basket
	work := map[string]func(){
		"server": func() { reply(300); count(3000); pass(300) },
		"collector": func() {
			for i := range kept {
				kept[i] = chain(40)
			}
			reply(20)
		},
		"c": func() { callC(3000); reply(30) },
	}[*load]
	t := begin("same-time")
	ready()
	if err := pprof.StartCPUProfile(file); err != nil {
		fail(err)
	}
	end := used(syscall.RUSAGE_SELF) + *ms*1e6
	var all sync.WaitGroup
	for _, job := range []string{"even", "odd"} {
		all.Add(1)
		job := job
		go func() {
			defer all.Done()
			pprof.Do(context.Background(), pprof.Labels("job", job, "load", *load), func(context.Context) {
				for used(syscall.RUSAGE_SELF) < end {
					work()
				}
			})
		}()
	}
	all.Wait()
	pprof.StopCPUProfile()
	file.Close()
	t.worked()
	done()
	report(t)
}
