// Command paths starts goroutines of a package whose path ends in a dot and a
// version, as gopkg.in's do: the linker writes that dot as %2e. It says ready,
// and goes on until its input ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"example.test/paths/thing.v2"
)

func main() {
	go thing.Wait()
	go func() {
		for {
			go thing.Work()
			time.Sleep(time.Millisecond)
		}
	}()
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString(0)
}
