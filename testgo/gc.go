package main

// Mode gc: garbage collections forced and caused by the heap, and stops of the
// world for other reasons. The runtime's own account of the cycles is what
// GODEBUG=gctrace=1 writes to stderr.

import (
	"bytes"
	"flag"
	"os"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"syscall"
)

func init() {
	modes["gc"] = mode{"collections, forced and caused by the heap, and other stops of the world", runGC}
}

// withGODEBUG starts the program anew, as the same process, unless GODEBUG has the setting.
func withGODEBUG(setting string) {
	if strings.Contains(os.Getenv("GODEBUG"), setting) {
		return
	}
	value := setting
	if old := os.Getenv("GODEBUG"); old != "" {
		value += "," + old
	}
	if err := os.Setenv("GODEBUG", value); err != nil {
		fail(err)
	}
	fail(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

// gcCounters are counts that the runtime keeps, read without stopping the world.
type gcCounters struct {
	Cycles      uint64 `json:"cycles"`
	Forced      uint64 `json:"forced"`
	GCPauses    uint64 `json:"gc_pauses"`    // stops of the world for GC; 0 before Go 1.22
	OtherPauses uint64 `json:"other_pauses"` // for other reasons; 0 before Go 1.22
}

func readGC() gcCounters {
	samples := []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/cycles/forced:gc-cycles"},
		{Name: "/sched/pauses/total/gc:seconds"},
		{Name: "/sched/pauses/total/other:seconds"},
	}
	metrics.Read(samples)
	return gcCounters{
		Cycles:      samples[0].Value.Uint64(),
		Forced:      samples[1].Value.Uint64(),
		GCPauses:    total(samples[2]),
		OtherPauses: total(samples[3]),
	}
}

// total is the number of values in a histogram.
func total(sample metrics.Sample) uint64 {
	if sample.Value.Kind() != metrics.KindFloat64Histogram {
		return 0
	}
	sum := uint64(0)
	for _, count := range sample.Value.Float64Histogram().Counts {
		sum += count
	}
	return sum
}

// tree is something for the collector to mark.
type tree struct {
	left, right *tree
	payload     [40]byte
}

func grow(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{left: grow(depth - 1), right: grow(depth - 1)}
}

var forest []*tree

func runGC(args []string) {
	flags := flag.NewFlagSet("gc", flag.ExitOnError)
	forced := flags.Int("forced", 7, "collections by runtime.GC")
	heap := flags.Int("heap", 11, "collections caused by the heap, at least")
	others := flags.Int("others", 13, "stops of the world of each other kind")
	parse(flags, args)
	withGODEBUG("gctrace=1")
	forest = append(forest, grow(14))
	ready()

	t := struct {
		truth
		gcCounters
		ReadMemStats     int `json:"read_mem_stats"`
		SetProcs         int `json:"set_procs"`
		GoroutineProfile int `json:"goroutine_profiles"`
	}{truth: begin("gc"), ReadMemStats: *others, SetProcs: *others, GoroutineProfile: *others}
	before := readGC()
	for i := 0; i < *forced; i++ {
		runtime.GC()
	}
	for until := readGC().Cycles + uint64(*heap); readGC().Cycles < until; {
		forest = append(forest[:1], grow(10+len(forest)%3))
	}
	procs := runtime.GOMAXPROCS(0)
	var stats runtime.MemStats
	var profile bytes.Buffer
	for i := 0; i < *others; i++ {
		runtime.ReadMemStats(&stats)
		runtime.GOMAXPROCS(procs + 1 - i%2) // odd number of calls: ends at procs + 1
		profile.Reset()
		if err := pprof.Lookup("goroutine").WriteTo(&profile, 0); err != nil {
			fail(err)
		}
	}
	runtime.GC() // nothing is under way at `done`
	after := readGC()
	t.Cycles = after.Cycles - before.Cycles
	t.Forced = after.Forced - before.Forced
	t.GCPauses = after.GCPauses - before.GCPauses
	t.OtherPauses = after.OtherPauses - before.OtherPauses
	t.worked()
	done()
	report(t)
}
