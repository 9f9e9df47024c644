// Command clocks has twenty goroutines that wait, two collections apart, so that the runtime has noted since when. It
// prints its pid and `ready`, and ends with stdin.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

func waits(forever chan int) { <-forever }

func main() {
	forever := make(chan int)
	for i := 0; i < 20; i++ {
		go waits(forever)
	}
	for i := 0; i < 2; i++ {
		time.Sleep(200 * time.Millisecond)
		runtime.GC()
	}
	fmt.Println(os.Getpid())
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}
