// A program that loads a plugin and keeps 7 goroutines in its own code, 23 in that of the plugin, and one in its own that
// the plugin has called.
package main

import (
	"fmt"
	"io"
	"os"
	"plugin"
)

func own(c chan int) { <-c }

func must(part *plugin.Plugin, name string) plugin.Symbol {
	symbol, err := part.Lookup(name)
	if err != nil {
		panic(err)
	}
	return symbol
}

func main() {
	part, err := plugin.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	c := make(chan int)
	must(part, "Begin").(func(int))(23)
	for i := 0; i < 7; i++ {
		go own(c)
	}
	go must(part, "Call").(func(func()))(func() { <-c })
	fmt.Println("ready")
	// Until stdin ends.
	io.Copy(io.Discard, os.Stdin)
}
