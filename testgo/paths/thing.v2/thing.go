// Package thing is imported by a path with a dot.
package thing

import "time"

// Work takes a moment.
//
//go:noinline
func Work() { time.Sleep(time.Microsecond) }

// Wait waits, and so does what it started.
//
//go:noinline
func Wait() {
	go rest()
	rest()
}

//go:noinline
func rest() { select {} }
