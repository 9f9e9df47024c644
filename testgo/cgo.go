package main

// Mode cgo: goroutines that call C; the same in Go where there is no C.

import (
	"flag"
	"sync/atomic"

	"testgo/clib"
)

func init() {
	modes["cgo"] = mode{"goroutines that call C code, in a program built with cgo", runCgo}
}

var tripled int64

func caller() {
	for i := 0; i < 10; i++ {
		atomic.AddInt64(&tripled, int64(clib.Triple(i)))
	}
}

func runCgo(args []string) {
	flags := flag.NewFlagSet("cgo", flag.ExitOnError)
	n := flags.Int("n", 1013, "goroutines")
	parse(flags, args)
	ready()

	t := struct {
		truth
		Enabled bool `json:"cgo"`
	}{begin("cgo"), clib.Enabled}
	for i := 0; i < *n; i++ {
		go caller()
	}
	quiet(1)
	t.worked()
	done()
	t.Functions = []*function{{
		Start: "main.caller", Calls: "main.caller", Creator: "main.runCgo", Created: *n, Exited: *n,
	}}
	report(t)
}
