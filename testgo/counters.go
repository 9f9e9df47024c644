package main

// Mode counters: the program's own runtime/metrics and MemStats around moments at
// which nothing happens. What is equal before and after such a moment, a reading
// from outside must equal too.

import (
	"flag"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	modes["counters"] = mode{"its own metrics and MemStats around quiet moments; -load N: N goroutines allocate instead", runCounters}
}

// ownReading is what the program knows of itself at one moment.
type ownReading struct {
	Metrics    map[string]interface{} `json:"metrics"` // numbers, or the counts of a histogram
	Buckets    map[string][]float64   `json:"buckets"` // finite boundaries of histograms
	Mallocs    uint64                 `json:"mallocs"`
	TotalAlloc uint64                 `json:"total_alloc"`
	HeapInuse  uint64                 `json:"heap_inuse"`
	NumGC      uint32                 `json:"num_gc"`
	Goroutines int                    `json:"goroutines"`
}

// own reads without allocating, once it has been used; account allocates.
type own struct {
	stats      runtime.MemStats
	samples    []metrics.Sample
	goroutines int
}

func newOwn() *own {
	o := &own{}
	for _, d := range metrics.All() {
		o.samples = append(o.samples, metrics.Sample{Name: d.Name})
	}
	o.readStats()
	o.readMetrics()
	return o
}

// readStats stops the world and hands over what lies in the allocation caches.
func (o *own) readStats() {
	runtime.ReadMemStats(&o.stats)
}

func (o *own) readMetrics() {
	metrics.Read(o.samples)
	o.goroutines = runtime.NumGoroutine()
}

func (o *own) account() ownReading {
	r := ownReading{
		Metrics:    map[string]interface{}{},
		Buckets:    map[string][]float64{},
		Mallocs:    o.stats.Mallocs,
		TotalAlloc: o.stats.TotalAlloc,
		HeapInuse:  o.stats.HeapInuse,
		NumGC:      o.stats.NumGC,
		Goroutines: o.goroutines,
	}
	for _, s := range o.samples {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			r.Metrics[s.Name] = s.Value.Uint64()
		case metrics.KindFloat64:
			r.Metrics[s.Name] = s.Value.Float64()
		case metrics.KindFloat64Histogram:
			h := s.Value.Float64Histogram()
			r.Metrics[s.Name] = h.Counts
			for _, b := range h.Buckets {
				if b-b == 0 { // not infinite
					r.Buckets[s.Name] = append(r.Buckets[s.Name], b)
				}
			}
		}
	}
	return r
}

var wordQuiet = []byte("quiet\n")

func runCounters(args []string) {
	flags := flag.NewFlagSet("counters", flag.ExitOnError)
	load := flags.Int("load", 0, "allocate in so many goroutines until told to stop")
	parse(flags, args)
	t := struct {
		truth
		Before []ownReading `json:"before"`
		After  []ownReading `json:"after"`
	}{truth: begin("counters")}
	if *load > 0 {
		runLoad(*load)
		t.worked()
		report(t)
		return
	}
	ready()
	// What has not begun to run when it is counted is counted differently a moment later.
	works := []func(){func() {}, workAllocate, workPark, workContend, workLarge}
	for _, work := range works {
		work()
		runtime.GC()
		before, after := newOwn(), newOwn()
		runtime.GC()
		time.Sleep(30 * time.Millisecond)
		after.readStats()
		after.readMetrics()
		before.readStats()
		before.readMetrics()
		say(wordQuiet)
		await()
		after.readMetrics()
		after.readStats()
		t.Before = append(t.Before, before.account())
		t.After = append(t.After, after.account())
	}
	t.worked()
	done()
	report(t)
}

func workAllocate() {
	for i, size := range classSizes {
		allocate(intent{size, false, 31 + i})
		allocate(intent{size, true, 17 + i})
	}
	for size := 1; size < 16; size++ {
		allocate(intent{size, false, 307})
	}
}

// workPark leaves goroutines behind, and others that have exited.
func workPark() {
	var ended sync.WaitGroup
	for i := 0; i < 1009; i++ {
		go func() { select {} }()
		ended.Add(1)
		go ended.Done()
	}
	ended.Wait()
}

// workContend makes goroutines wait for a mutex and for processors.
func workContend() {
	var mutex sync.Mutex
	var ended sync.WaitGroup
	for i := 0; i < 61; i++ {
		ended.Add(1)
		go func() {
			defer ended.Done()
			for j := 0; j < 13; j++ {
				mutex.Lock()
				runtime.Gosched()
				mutex.Unlock()
			}
		}()
	}
	ended.Wait()
}

func workLarge() {
	for _, size := range largeSizes {
		allocate(intent{size, false, 7})
	}
	runtime.GC()
}

// runLoad allocates in all sizes, in n goroutines, from the first line on stdin to the second.
func runLoad(n int) {
	var stop int32
	var ended sync.WaitGroup
	ready()
	for i := 0; i < n; i++ {
		ended.Add(1)
		go func() {
			defer ended.Done()
			for atomic.LoadInt32(&stop) == 0 {
				for _, size := range classSizes {
					allocateOne(size)
				}
				for size := 1; size < 16; size++ {
					allocateOne(size)
				}
				allocateOne(32760) // the last class, of which the malloc header takes 8 bytes
				allocateOne(40000)
				allocatePointer() // the first class: what has no pointers and is as small is tiny
			}
		}()
	}
	say(wordDone)
	await()
	atomic.StoreInt32(&stop, 1)
	ended.Wait()
}

// allocateOne gives away what it allocates, or small ones would be on the stack (Go ≥ 1.25).
//
//go:noinline
func allocateOne(size int) *byte {
	b := make([]byte, size)
	return &b[0]
}

//go:noinline
func allocatePointer() **byte {
	return new(*byte)
}
