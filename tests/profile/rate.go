// It could keep a profile of memory, and does not want to.
package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

func init() { runtime.MemProfileRate = 0 }

func main() {
	os.Stdout.WriteString("ready\n")
	os.Stdin.Read(make([]byte, 1))
	pprof.WriteHeapProfile(os.Stdout)
}
