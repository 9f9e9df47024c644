//go:build go1.23

package main

import "iter"

const (
	nPulls  = 23
	nPulled = 5
)

func handsOver() {
	next, stop := iter.Pull(func(yield func(int) bool) {
		for i := 0; i < nPulled; i++ {
			if !yield(i) {
				return
			}
		}
	})
	for _, ok := next(); ok; _, ok = next() {
	}
	stop()
}

// handOver has goroutines hand over to coroutines and back: so many times to
// them, and as often back.
func handOver() int {
	for i := 0; i < nPulls; i++ {
		ended := make(chan struct{})
		go func() {
			handsOver()
			close(ended)
		}()
		<-ended
	}
	return nPulls * (nPulled + 1)
}
