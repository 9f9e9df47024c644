// It spends its time in two functions that the compiler leaves where they are, unless it has a profile.
package main

import "os"

var sink uint64

type step interface {
	next(seed uint64) uint64
}

type xorshift struct{}

type constant struct{}

func (constant) next(seed uint64) uint64 {
	return 42
}

func (xorshift) next(seed uint64) uint64 {
	for i := 0; i < 8; i++ {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
	}
	return seed
}

func mix(seed uint64) uint64 {
	seed ^= seed >> 33
	seed *= 0xff51afd7ed558ccd
	seed ^= seed >> 33
	seed *= 0xc4ceb9fe1a85ec53
	seed ^= seed >> 31
	seed += 0x9e3779b97f4a7c15
	seed ^= seed >> 30
	seed *= 0xbf58476d1ce4e5b9
	seed ^= seed >> 27
	seed *= 0x94d049bb133111eb
	seed ^= seed >> 32
	seed *= 0x2545f4914f6cdd1d
	seed ^= seed >> 29
	seed *= 0x165667b19e3779f9
	seed ^= seed >> 28
	seed *= 0xd6e8feb86659fd93
	seed ^= seed >> 34
	seed *= 0x9fb21c651e98df25
	seed ^= seed >> 34
	seed *= 0xc4ceb9fe1a85ec53
	seed ^= seed >> 31
	seed += 0x9e3779b97f4a7c15
	seed ^= seed >> 30
	seed *= 0xbf58476d1ce4e5b9
	seed ^= seed >> 27
	seed *= 0x94d049bb134111eb
	seed ^= seed >> 32
	seed *= 0x2545f4914f6cdd1d
	seed ^= seed >> 29
	seed *= 0x165667b19e3779f9
	seed ^= seed >> 28
	seed *= 0xd6e8feb86659fd93
	return seed ^ seed>>31
}

//go:noinline
func spin(by step) {
	for i := 0; i < 1<<10; i++ {
		sink = mix(sink)
		sink += by.next(sink)
	}
}

func main() {
	var by step = xorshift{}
	if len(os.Args) > 1 {
		by = constant{}
	}
	go func() {
		os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	os.Stdout.WriteString("ready\n")
	for {
		spin(by)
	}
}
