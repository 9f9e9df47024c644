package main

// Mode labels: burns CPU time under labels of its own (runtime/pprof), and says
// how much under which. Some sets of labels live only for a moment, and the
// collector runs all the time, so that their places are used again and again.

import (
	"context"
	"flag"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"
)

func init() {
	modes["labels"] = mode{"burns CPU time under labels, -ms of it under each set", runLabels}
}

type labelled struct {
	Labels map[string]string `json:"labels"`
	Ns     int64             `json:"ns"`
}

type labelsTruth struct {
	truth
	Labelled []labelled `json:"labelled"`
	// Under route=/turn and turn=N, each N only for a moment.
	Turns  int64 `json:"turns"`
	TurnNs int64 `json:"turn_ns"`
}

//go:noinline
func burnLabelled(ns int64) int64 {
	from := used(1)
	for {
		burnLeaf()
		if spent := used(1) - from; spent >= ns {
			return spent
		}
	}
}

func runLabels(args []string) {
	flags := flag.NewFlagSet("labels", flag.ExitOnError)
	ms := flags.Int64("ms", 500, "CPU time under each set")
	collect := flags.Bool("collect", true, "collect garbage all the time")
	flags.Parse(args)
	t := labelsTruth{truth: begin("labels")}
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	t.Labelled = []labelled{
		{Labels: map[string]string{}},
		{Labels: map[string]string{"route": "/a", "user": "1"}},
		{Labels: map[string]string{"route": "/b"}},
		{Labels: map[string]string{"route": "/ä\n\x1b[2J", "empty": "", "long": string(long)}},
		{Labels: map[string]string{}},
	}
	for i := 0; i < 11; i++ {
		t.Labelled[4].Labels["key"+strconv.Itoa(i)] = "value" + strconv.Itoa(i)
	}
	runtime.LockOSThread()
	ready()
	var over atomic.Bool
	go func() {
		for *collect && !over.Load() {
			cpuHeap = make([]byte, 1<<20)
			time.Sleep(time.Millisecond)
			runtime.GC()
		}
	}()
	for i := range t.Labelled {
		one := &t.Labelled[i]
		var pairs []string
		for key, value := range one.Labels {
			pairs = append(pairs, key, value)
		}
		pprof.Do(context.Background(), pprof.Labels(pairs...), func(context.Context) {
			one.Ns += burnLabelled(*ms * 1e6)
		})
	}
	for t.TurnNs < *ms*1e6 {
		turn := pprof.Labels("route", "/turn", "turn", strconv.FormatInt(t.Turns, 10))
		pprof.Do(context.Background(), turn, func(context.Context) {
			t.TurnNs += burnLabelled(1e6)
		})
		t.Turns++
	}
	over.Store(true)
	t.worked()
	done()
	report(t)
}
