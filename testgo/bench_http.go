//go:build bench

package main

// The modes of `make bench` that take net/http and runtime/pprof, which the
// fixture of the tests is better without: they bring goroutines of their own.

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
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	modes["bench-http"] = mode{"an HTTP server, asked by a process of its own", bench(benchHTTP)}
	modes["bench-requests"] = mode{"asks bench-http: no protocol", runRequests}
	modes["bench-parked"] = mode{"many parked goroutines, and one that notices pauses", runBenchParked}
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
