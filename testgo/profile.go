//go:build profile

package main

import (
	"os"
	"runtime/pprof"
	"time"
)

// Built with -tags profile, it writes a CPU profile of its first seconds: how
// load.pprof was made, see README.md.
func init() {
	path := os.Getenv("TESTGO_PROFILE")
	if path == "" {
		return
	}
	os.Unsetenv("TESTGO_PROFILE") // not for children
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		panic(err)
	}
	time.AfterFunc(4*time.Second, func() {
		pprof.StopCPUProfile()
		file.Close()
		os.Exit(0)
	})
}
