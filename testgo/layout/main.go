// Command layout is never run: tests/layout reads the runtime's data structures from its DWARF.
// The linker describes the types that a program uses, so this one uses what touches each of them.
package main

import "runtime"

func main() {
	values, done := make(chan int), make(chan bool, 1)
	go func() {
		select {
		case values <- 1:
		case <-done:
		}
	}()
	<-values
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats) // stops the world
	println(stats.NumGC, coroutine())
}
