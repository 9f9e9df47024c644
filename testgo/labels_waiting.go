package main

// Mode labels-waiting: goroutines that wait under labels (runtime/pprof), known
// numbers of them under known labels; with -collect the collector runs all the
// time, and sets of labels come and go beside.

import (
	"context"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"time"
)

func init() {
	modes["labels-waiting"] = mode{"goroutines that wait under labels", runLabelsWaiting}
}

type waitingLabelled struct {
	Labels map[string]string `json:"labels"`
	Count  int               `json:"count"`
}

type waitingTruth struct {
	truth
	Waiting []waitingLabelled `json:"waiting"`
	// What the runtime prints of all goroutines.
	Text string `json:"text"`
}

//go:noinline
func waitLabelled(never chan int) { <-never }

func runLabelsWaiting(args []string) {
	flags := flag.NewFlagSet("labels-waiting", flag.ExitOnError)
	collect := flags.Bool("collect", false, "collect garbage all the time")
	flags.Parse(args)
	t := waitingTruth{truth: begin("labels-waiting")}
	t.Waiting = []waitingLabelled{
		{Labels: map[string]string{}, Count: 4},
		{Labels: map[string]string{"route": "/a", "user": "1"}, Count: 3},
		{Labels: map[string]string{"route": "/b c", "quote": "\"\\"}, Count: 2},
		{Labels: map[string]string{"key\n\x1b[31m": "ä\r\n", "empty": ""}, Count: 5},
	}
	never := make(chan int)
	for _, one := range t.Waiting {
		var pairs []string
		for key, value := range one.Labels {
			pairs = append(pairs, key, value)
		}
		start := func(context.Context) {
			for i := 0; i < one.Count; i++ {
				go waitLabelled(never)
			}
		}
		if len(pairs) == 0 {
			start(nil)
		} else {
			pprof.Do(context.Background(), pprof.Labels(pairs...), start)
		}
	}
	var over atomic.Bool
	if *collect {
		go func() {
			for i := 0; !over.Load(); i++ {
				labels := pprof.Labels("turn", strconv.Itoa(i))
				pprof.Do(context.Background(), labels, func(context.Context) { runtime.GC() })
			}
		}()
	}
	for blocked := 0; blocked < 14; {
		time.Sleep(time.Millisecond)
		blocked = runtime.NumGoroutine() - 1
	}
	time.Sleep(50 * time.Millisecond)
	// Since Go 1.27 the runtime shows labels itself, in programs that say they are of that version, or ask for it.
	os.Setenv("GODEBUG", "tracebacklabels=1")
	text := make([]byte, 1<<20)
	t.Text = string(text[:runtime.Stack(text, true)])
	ready()
	over.Store(true)
	t.worked()
	done()
	report(t)
}
