// It could keep a profile of memory; whether it does is for its environment to say.
package main

import (
	"os"
	"runtime/pprof"
)

func main() {
	os.Stdout.WriteString("ready\n")
	os.Stdin.Read(make([]byte, 1))
	pprof.WriteHeapProfile(os.Stdout)
}
