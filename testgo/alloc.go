package main

// Mode alloc: known numbers of objects of every size, and the runtime's own
// count of what was allocated between two moments.

import (
	"flag"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

func init() {
	modes["alloc"] = mode{"known numbers of objects of every size; -gc=false|true", runAlloc}
}

// counters is a reading of what the runtime counts, without allocating.
type counters struct {
	stats   runtime.MemStats
	samples []metrics.Sample
}

// The metrics that tell classes above 18 KiB, tiny and large objects apart.
const (
	metricBySize = "/gc/heap/allocs-by-size:bytes"
	metricTiny   = "/gc/heap/tiny/allocs:objects"
	metricObject = "/gc/heap/allocs:objects"
)

func newCounters() *counters {
	c := &counters{samples: []metrics.Sample{
		{Name: metricBySize}, {Name: metricTiny}, {Name: metricObject},
	}}
	c.read() // the first reading allocates what later ones use again
	c.read()
	return c
}

func (c *counters) read() {
	runtime.ReadMemStats(&c.stats)
	metrics.Read(c.samples)
}

// class is the number of objects allocated in one size class.
type class struct {
	Size  uint64 `json:"size"` // of the slot; 0 for objects larger than any class
	Count uint64 `json:"count"`
}

// allocated is the difference of two readings.
type allocated struct {
	Mallocs    uint64  `json:"mallocs"` // tiny ones that share a block included
	Frees      uint64  `json:"frees"`
	TotalAlloc uint64  `json:"total_alloc"` // bytes
	Tiny       uint64  `json:"tiny"`        // objects put into a block already begun
	BySize     []class `json:"by_size"`     // MemStats.BySize
	Classes    []class `json:"classes"`     // all classes, and size 0 for large objects
}

func difference(from, to *counters) allocated {
	d := allocated{
		Mallocs:    to.stats.Mallocs - from.stats.Mallocs,
		Frees:      to.stats.Frees - from.stats.Frees,
		TotalAlloc: to.stats.TotalAlloc - from.stats.TotalAlloc,
		Tiny:       to.samples[1].Value.Uint64() - from.samples[1].Value.Uint64(),
	}
	for i := range to.stats.BySize {
		now, then := to.stats.BySize[i], from.stats.BySize[i]
		if now.Size > 0 {
			d.BySize = append(d.BySize, class{uint64(now.Size), now.Mallocs - then.Mallocs})
		}
	}
	now, then := to.samples[0].Value.Float64Histogram(), from.samples[0].Value.Float64Histogram()
	for i := range now.Counts {
		c := class{Count: now.Counts[i] - then.Counts[i]}
		if i+1 < len(now.Counts) {
			c.Size = uint64(now.Buckets[i+1]) - 1
		}
		d.Classes = append(d.Classes, c)
	}
	return d
}

// intent is what the program meant to allocate.
type intent struct {
	Size     int  `json:"size"`
	Pointers bool `json:"pointers"`
	Count    int  `json:"count"`
}

// The size classes of Go 1.16 to 1.27 (runtime/sizeclasses.go).
var classSizes = []int{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320,
	352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792,
	2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5120, 5376, 6144, 6528, 6784, 6912, 8192,
	9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576,
	27264, 28672, 32768,
}

// Around the end of the classes (the malloc header takes 8 bytes), and well above.
var largeSizes = []int{32760, 32769, 40000, 100000, 1 << 20}

func runAlloc(args []string) {
	flags := flag.NewFlagSet("alloc", flag.ExitOnError)
	gc := flags.Bool("gc", false, "collect garbage all the time")
	rounds := flags.Int("rounds", 1, "how often to do it all")
	parse(flags, args)
	if *gc {
		debug.SetGCPercent(5)
	} else {
		debug.SetGCPercent(-1)
	}
	t := struct {
		truth
		GC      bool     `json:"gc"`
		Intents []intent `json:"intents"`
		// While the observer was certainly there, and while it may have been:
		// the runtime's own goroutines allocate a few objects at any time.
		Inside allocated `json:"inside"`
		Around allocated `json:"around"`
	}{truth: begin("alloc"), GC: *gc}
	plan := planAllocations(*rounds)
	first, begun, ended, last := newCounters(), newCounters(), newCounters(), newCounters()
	runtime.GC()
	first.read()
	ready()

	begun.read()
	allocateFixed(fixedCount * *rounds)
	for _, p := range plan {
		allocate(p)
	}
	ended.read()
	t.worked()
	done()
	last.read()
	t.Intents = append(fixedIntents(fixedCount**rounds), plan...)
	t.Inside = difference(begun, ended)
	t.Around = difference(first, last)
	report(t)
}

// planAllocations lists allocations whose size only the runtime learns.
func planAllocations(rounds int) []intent {
	var plan []intent
	for size := 1; size < 16; size++ {
		plan = append(plan, intent{size, false, 307 * rounds})
	}
	for i, size := range classSizes {
		count := 211
		switch {
		case size > 8192:
			count = 13
		case size > 1024:
			count = 53
		}
		count = (count + 2*i) * rounds // no two classes alike
		if size >= 16 {
			plan = append(plan, intent{size, false, count}, intent{size - 3, false, count + 1})
		}
		plan = append(plan, intent{size, true, count + 2})
		if size > 512 {
			// With the malloc header of Go 1.22 and later this just fits.
			plan = append(plan, intent{size - 8, true, count + 3})
		}
	}
	for i, size := range largeSizes {
		count := (3 + i) * rounds
		plan = append(plan, intent{size, false, count}, intent{size &^ 7, true, count})
	}
	return plan
}

var (
	sinkBytes    []byte
	sinkPointers []*byte
)

//go:noinline
func allocate(p intent) {
	if p.Pointers {
		for i := 0; i < p.Count; i++ {
			sinkPointers = make([]*byte, p.Size/8)
		}
		return
	}
	for i := 0; i < p.Count; i++ {
		sinkBytes = make([]byte, p.Size)
	}
}
