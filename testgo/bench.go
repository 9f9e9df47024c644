package main

// Modes for `make bench`: work whose cost is measured with and without an
// observer. Each does a fixed amount of one thing and tells how much CPU and
// wall time that took.

import (
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func init() {
	modes["bench-spawn"] = mode{"goroutines that exit at once", bench(benchSpawn)}
	modes["bench-pingpong"] = mode{"two goroutines that hand a token to and fro", bench(benchPingpong)}
	modes["bench-alloc"] = mode{"small objects of mixed sizes", bench(benchAlloc)}
	modes["bench-gc"] = mode{"garbage collections with a live heap", bench(benchGC)}
	modes["bench-http"] = mode{"an HTTP server, asked by a process of its own", bench(benchHTTP)}
	modes["bench-requests"] = mode{"asks bench-http: no protocol", runRequests}
	modes["bench-parked"] = mode{"many parked goroutines, and one that notices pauses", runBenchParked}
}

// measured is the account of such a mode.
type measured struct {
	truth
	Work   int64 `json:"work"`    // units done: goroutines, hand-overs, objects, cycles, requests
	CPUNs  int64 `json:"cpu_ns"`  // user and system time of this process
	WallNs int64 `json:"wall_ns"` // from beginning to end
}

// bench makes a mode of work that does about n units and returns how many.
func bench(work func(n int) int64) func([]string) {
	return func(args []string) {
		flags := flag.NewFlagSet("bench", flag.ExitOnError)
		n := flags.Int("n", 1000, "units of work")
		traced := flags.Bool("trace", false, "under the runtime's own tracer")
		parse(flags, args)
		work(*n/100 + 1) // everything has been paged in and grown
		ready()
		if *traced {
			if err := trace.Start(io.Discard); err != nil {
				fail(err)
			}
		}
		t := measured{truth: begin("bench")}
		cpu, wall := cpuTime(), time.Now()
		t.Work = work(*n)
		t.CPUNs, t.WallNs = cpuTime()-cpu, time.Since(wall).Nanoseconds()
		t.worked()
		if *traced {
			trace.Stop()
		}
		done()
		report(t)
	}
}

// cpuTime is the CPU time of this process in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func benchSpawn(n int) int64 {
	var all sync.WaitGroup
	var ran int64
	for begun := 0; begun < n; {
		for i := 0; i < 64 && begun < n; i++ {
			all.Add(1)
			go func() {
				atomic.AddInt64(&ran, 1)
				all.Done()
			}()
			begun++
		}
		all.Wait()
	}
	return ran
}

func benchPingpong(n int) int64 {
	there, back := make(chan int), make(chan int)
	go func() {
		for token := range there {
			back <- token + 1
		}
		close(back)
	}()
	token := 0
	for i := 0; i < n; i++ {
		there <- token
		token = <-back
	}
	close(there)
	<-back
	return 2 * int64(token)
}

// Where objects go, so that they are really allocated.
var (
	bytesSink   [16]*[24]byte
	pointerSink [16]*[4]*int
	sliceSink   [16][]byte
	stringSink  [16]string
)

func benchAlloc(n int) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := 0; i < n/4; i++ {
		slot := i % 16
		bytesSink[slot] = new([24]byte)
		pointerSink[slot] = new([4]*int)
		sliceSink[slot] = make([]byte, 8+i%500)
		stringSink[slot] = strconv.Itoa(1_000_000 + i)
	}
	runtime.ReadMemStats(&after)
	return int64(after.Mallocs - before.Mallocs)
}

// live is what the collector has to mark.
var live [][]*int

func benchGC(n int) int64 {
	if live == nil {
		for i := 0; i < 200; i++ {
			part := make([]*int, 1000)
			for j := range part {
				part[j] = new(int)
			}
			live = append(live, part)
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	before := stats.NumGC
	for i := 0; i < n; i++ {
		for j := 0; j < 1000; j++ {
			live[(i+j)%len(live)][j] = new(int)
		}
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.NumGC - before)
}

type answer struct {
	Path  string   `json:"path"`
	Parts []string `json:"parts"`
}

// serve answers as a small service does: two pieces of work side by side, then JSON.
func serve(w http.ResponseWriter, request *http.Request) {
	result := answer{Path: request.URL.Path, Parts: make([]string, 2)}
	var both sync.WaitGroup
	for i := range result.Parts {
		i := i
		both.Add(1)
		go func() {
			defer both.Done()
			for j := 0; j < 20; j++ {
				result.Parts[i] += strconv.Itoa(j)
			}
		}()
	}
	both.Wait()
	if err := json.NewEncoder(w).Encode(result); err != nil {
		fail(err)
	}
}

func benchHTTP(n int) int64 {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	var served int64
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		serve(w, request)
		atomic.AddInt64(&served, 1)
	})}
	go server.Serve(listener)
	client := exec.Command("/proc/self/exe", "bench-requests", "-n", strconv.Itoa(n),
		"-url", "http://"+listener.Addr().String()+"/order")
	client.Stderr = os.Stderr
	if err := client.Run(); err != nil {
		fail(err)
	}
	if err := server.Close(); err != nil {
		fail(err)
	}
	return atomic.LoadInt64(&served)
}

func runRequests(args []string) {
	flags := flag.NewFlagSet("bench-requests", flag.ExitOnError)
	n := flags.Int("n", 1000, "requests")
	url := flags.String("url", "", "where to")
	parse(flags, args)
	const clients = 4
	var all sync.WaitGroup
	for c := 0; c < clients; c++ {
		share := *n*(c+1)/clients - *n*c/clients
		all.Add(1)
		go func() {
			defer all.Done()
			client := http.Client{Transport: &http.Transport{}}
			for i := 0; i < share; i++ {
				response, err := client.Get(*url)
				if err != nil {
					fail(err)
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					fail(err)
				}
				response.Body.Close()
			}
		}()
	}
	all.Wait()
}

// runBenchParked parks goroutines and measures how long it is kept from running
// while its own profile of them is taken, and while somebody else reads them:
// between `parked` and the next line.
func runBenchParked(args []string) {
	flags := flag.NewFlagSet("bench-parked", flag.ExitOnError)
	n := flags.Int("n", 10_000, "goroutines")
	parse(flags, args)
	ready()
	release := make(chan struct{})
	var parked sync.WaitGroup
	for i := 0; i < *n; i++ {
		parked.Add(1)
		go func() {
			parked.Done()
			<-release
		}()
	}
	parked.Wait()
	runtime.GC()

	t := struct {
		truth
		Goroutines  int   `json:"goroutines"`
		ProfileNs   int64 `json:"profile_ns"`    // what debug=2 took
		ProfileGap  int64 `json:"profile_gap"`   // the longest pause in it, in ns
		ObservedGap int64 `json:"observed_gap"`  // the longest pause while observed
		QuietGap    int64 `json:"quiet_gap"`     // the longest pause while nothing happened
		ObservedCPU int64 `json:"observed_cpu"`  // CPU time while observed, the noticing included
		ObservedNs  int64 `json:"observed_wall"` // and wall time
	}{truth: begin("bench-parked"), Goroutines: *n}
	t.QuietGap = longestGap(func() { time.Sleep(100 * time.Millisecond) })
	t.ProfileGap = longestGap(func() {
		begin := time.Now()
		if err := pprof.Lookup("goroutine").WriteTo(io.Discard, 2); err != nil {
			fail(err)
		}
		t.ProfileNs = time.Since(begin).Nanoseconds()
	})
	cpu, wall := cpuTime(), time.Now()
	t.ObservedGap = longestGap(func() { pause("parked") })
	t.ObservedCPU, t.ObservedNs = cpuTime()-cpu, time.Since(wall).Nanoseconds()
	t.worked()
	done()
	report(t)
}

// longestGap is the longest time, in ns, for which a goroutine that does nothing
// else could not look at the clock while work ran.
func longestGap(work func()) int64 {
	var over int32
	gaps := make(chan int64)
	began := make(chan bool)
	go func() {
		longest := time.Duration(0)
		began <- true
		last := time.Now()
		for atomic.LoadInt32(&over) == 0 {
			now := time.Now()
			if gap := now.Sub(last); gap > longest {
				longest = gap
			}
			last = now
		}
		gaps <- longest.Nanoseconds()
	}()
	<-began
	work()
	atomic.StoreInt32(&over, 1)
	return <-gaps
}
