//go:build go1.23

package main

import "iter"

func coroutine() int {
	next, stop := iter.Pull(func(yield func(int) bool) { yield(1) })
	defer stop()
	value, _ := next()
	return value
}
