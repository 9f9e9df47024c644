// Command testgo is what grtmon's tests observe: a program that knows exactly
// what it did and says so. See README.md for the modes and the protocol.
package main

import (
	"fmt"
	"os"
	"sort"
)

// A mode does one kind of work. Its run function gets the arguments after the
// mode's name and speaks the protocol of protocol.go.
type mode struct {
	help string
	run  func(args []string)
}

// modes is filled by the init functions of the files that implement them.
var modes = map[string]mode{}

func main() {
	if len(os.Args) >= 2 {
		if m, ok := modes[os.Args[1]]; ok {
			m.run(os.Args[2:])
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: testgo MODE [FLAGS]")
	names := make([]string, 0, len(modes))
	for name := range modes {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(os.Stderr, "  %-11s %s\n", name, modes[name].help)
	}
	os.Exit(2)
}
