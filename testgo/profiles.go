package main

// Mode profiles: what the program's own profiles say, to be held against what
// is read from outside.

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sort"
	"sync"
)

func init() {
	modes["profiles"] = mode{"allocates and parks, then writes its own profiles into -dir", runProfiles}
}

type record struct {
	next *record
	data [104]byte
}

// What stays alive.
var (
	keptRecords *record
	keptBytes   [][]byte
	keptMap     = map[int]*record{}
	keptChan    = make(chan [3]*record, 61)
	profileSink interface{}
)

//go:noinline
func allocRecord() *record { return &record{} }

// inlinedAlloc is inlined into its callers, and newRecord into it.
func inlinedAlloc(n int) {
	for i := 0; i < n; i++ {
		r := newRecord()
		r.next = keptRecords
		keptRecords = r
	}
}

func newRecord() *record { return &record{} }

//go:noinline
func recurseAlloc(depth int) {
	if depth > 0 {
		recurseAlloc(depth - 1)
		return
	}
	keptBytes = append(keptBytes, make([]byte, 3001))
}

type allocator struct{ n int }

func (a allocator) alloc() {
	for i := 0; i < a.n; i++ {
		profileSink = make([]*record, 37)
	}
}

type allocates interface{ alloc() }

func genericAlloc[T any](n int) {
	for i := 0; i < n; i++ {
		profileSink = new(T)
	}
}

func allocateAll(n int) {
	for i := 0; i < n; i++ {
		profileSink = allocRecord()
		if i%7 == 0 {
			keptMap[i] = allocRecord()
		}
		if i%11 == 0 {
			keptBytes = append(keptBytes, make([]byte, 1<<(i%13)))
		}
		if i%101 == 0 {
			profileSink = make([]byte, 100003)
			recurseAlloc(i % 190)
		}
		profileSink = string(keptBytes[0]) + "suffix"
	}
	inlinedAlloc(n)
	var through allocates = allocator{n}
	through.alloc()
	f := allocator{n}.alloc // by a wrapper
	f()
	genericAlloc[record](n)
	genericAlloc[[29]int](n)
	func() {
		for i := 0; i < 61; i++ {
			select {
			case keptChan <- [3]*record{{}, {}, {}}:
			default:
			}
		}
	}()
	profiled := make([]int, 0)
	for i := 0; i < n; i++ {
		profiled = append(profiled, i)
	}
	sort.Slice(profiled, func(a, b int) bool { return profiled[a] > profiled[b] })
	profileSink = profiled
}

// allocateInThreads allocates on several Ps, and makes threads.
func allocateInThreads(n int) {
	var all sync.WaitGroup
	for i := 0; i < 5; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			runtime.LockOSThread()
			for i := 0; i < n; i++ {
				profileSink = allocRecord()
			}
		}()
	}
	all.Wait()
}

//go:noinline
func parkForProfile(stop chan struct{}) { <-stop }

func runProfiles(args []string) {
	flags := flag.NewFlagSet("profiles", flag.ExitOnError)
	n := flags.Int("n", 20011, "allocations of each kind")
	dir := flags.String("dir", "", "where the profiles are written")
	collect := flags.Bool("gc", true, "collect garbage before it is ready")
	busy := flags.Bool("busy", false, "allocate and collect garbage while it is being read")
	rate := flags.Int("rate", 0, "runtime.MemProfileRate from then on; 0: as it is")
	parse(flags, args)
	if *rate > 0 {
		runtime.MemProfileRate = *rate
	}
	if !*collect {
		debug.SetGCPercent(-1)
	}
	keptBytes = append(keptBytes, make([]byte, 503))
	stop := make(chan struct{})
	for i := 0; i < 13; i++ {
		go parkForProfile(stop)
	}
	allocateAll(*n)
	allocateInThreads(*n)
	if *collect {
		// What is published is two cycles old.
		runtime.GC()
		allocateAll(*n / 3)
		runtime.GC()
		runtime.GC()
		debug.SetGCPercent(-1)
	}
	var churning sync.WaitGroup
	ended := make(chan struct{})
	if *busy {
		churning.Add(1)
		go func() {
			defer churning.Done()
			for {
				select {
				case <-ended:
					return
				default:
					allocateAll(101)
					runtime.GC()
				}
			}
		}()
	}
	files := map[string]*os.File{}
	kinds := []string{"heap", "goroutine", "threadcreate"}
	for _, kind := range kinds {
		if *dir == "" {
			continue
		}
		file, err := os.Create(filepath.Join(*dir, kind+".pb.gz"))
		if err != nil {
			fail(err)
		}
		files[kind] = file
	}
	pprof.Lookup("heap") // what this allocates once is not to come later
	t := begin("profiles")
	ready()
	close(ended)
	churning.Wait()
	t.worked()
	for _, kind := range kinds {
		file := files[kind]
		if file == nil {
			continue
		}
		if err := pprof.Lookup(kind).WriteTo(file, 0); err != nil {
			fail(err)
		}
		file.Close()
	}
	done()
	close(stop)
	runtime.KeepAlive(keptRecords)
	runtime.KeepAlive(keptMap)
	report(t)
}
