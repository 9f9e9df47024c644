// A program that works all the time and asks the runtime nothing about itself, so that little of the code that speaks of
// the runtime's counters is in it.
package main

import (
	"os"
	"time"
)

var sink []byte

func work() {
	for {
		done := make(chan bool)
		go func() { done <- true }()
		<-done
		sink = make([]byte, 4096)
		time.Sleep(200 * time.Microsecond)
	}
}

func main() {
	for i := 0; i < 8; i++ {
		go work()
	}
	// Until garbage has been collected.
	time.Sleep(2 * time.Second)
	os.Stdout.WriteString("{}\n")
	select {}
}
