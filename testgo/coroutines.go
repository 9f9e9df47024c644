//go:build go1.23

package main

// Mode coroutines: iter.Pull, whose coroutines are goroutines that are created,
// switched to and ended without the scheduler.

import "iter"

func init() {
	modes["coroutines"] = mode{"iter.Pull: drained, stopped early, never begun, left behind (Go 1.23)", runCoroutines}
}

const (
	nDrained  = 211
	nStopped  = 223
	nUnbegun  = 227 // stopped before their first value
	nLeftover = 31  // neither drained nor stopped: alive at `done`
	nValues   = 7
)

func runCoroutines([]string) {
	who = newWitnesses()
	mainID = goid()
	ready()

	t := struct {
		truth
		Pulled int `json:"pulled"`
		Begun  int `json:"begun"`
		Ended  int `json:"ended"`
		Values int `json:"values"`
	}{truth: begin("coroutines")}
	for i := 0; i < nDrained; i++ {
		next, stop := iter.Pull(values)
		for _, ok := next(); ok; _, ok = next() {
			t.Values++
		}
		stop()
	}
	for i := 0; i < nStopped; i++ {
		next, stop := iter.Pull(values)
		next()
		t.Values++
		stop()
	}
	for i := 0; i < nUnbegun; i++ {
		_, stop := iter.Pull(values)
		stop()
	}
	for i := 0; i < nLeftover; i++ {
		next, stop := iter.Pull(values)
		next()
		t.Values++
		leftovers = append(leftovers, stop)
	}
	t.Begun = nDrained + nStopped + nLeftover
	t.Pulled = t.Begun + nUnbegun
	t.Ended = t.Pulled - nLeftover
	quiet(1 + nLeftover)
	t.worked()
	done()
	t.Functions = who.sorted()
	report(t)
	for _, stop := range leftovers {
		stop()
	}
}

var leftovers []func()

func values(yield func(int) bool) {
	here := who.enter("main.values", mainID)
	defer here.leave()
	for i := 0; i < nValues; i++ {
		if !yield(i) {
			return
		}
	}
}
