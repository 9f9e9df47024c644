// Its first thread has ended, as far as it can: the goroutine that is locked to it has.
package main

import (
	"os"
	"runtime"
	"sync"
	"time"
)

func init() { runtime.LockOSThread() }

func main() {
	var last sync.WaitGroup
	last.Add(1)
	go func() {
		last.Wait()
		time.Sleep(100 * time.Millisecond)
		os.Stdout.WriteString("ready\n")
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	last.Done()
	runtime.Goexit()
}
