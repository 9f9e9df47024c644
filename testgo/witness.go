package main

// What a goroutine knows of itself. Its id and the place that created it are
// read from runtime.Stack. That leaves out the wrapper that the compiler puts
// around `go f(x)`, although it is what the goroutine starts with: bottom finds
// that, each machine's in its own way.

import (
	"bytes"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// function is the truth about the goroutines of one start function and one
// creation site.
type function struct {
	Start      string      `json:"start"`             // what runs first, wrappers included
	Calls      string      `json:"calls"`             // the function named in the go statement
	Creator    string      `json:"creator,omitempty"` // the function with the go statement
	Site       string      `json:"site,omitempty"`    // file:line of the go statement
	Elder      bool        `json:"elder,omitempty"`   // created before `ready`
	Created    int         `json:"created"`           // between `ready` and `done`
	Exited     int         `json:"exited"`            // between `ready` and `done`
	Goroutines []goroutine `json:"goroutines,omitempty"`
}

// goroutine is the truth about one of them.
type goroutine struct {
	Goid    uint64 `json:"goid"`
	Parent  uint64 `json:"parent"`   // goid of the creator; 0 for the scheduler
	InnerNs int64  `json:"inner_ns"` // measured inside: its running time is longer
	Exited  bool   `json:"exited"`
}

// witnesses collects what goroutines say of themselves.
type witnesses struct {
	mutex     sync.Mutex
	functions map[string]*function
}

func newWitnesses() *witnesses {
	return &witnesses{functions: map[string]*function{}}
}

// A testimony is the part of a goroutine between enter and leave.
type testimony struct {
	to     *witnesses
	begin  time.Time
	key    string
	self   function
	parent uint64
	elder  bool
}

// enter is the first thing a goroutine does: calls is the function named in its
// go statement, "" if that names none; parent the goid of the creator.
func (w *witnesses) enter(calls string, parent uint64) *testimony {
	t := &testimony{to: w, begin: time.Now(), parent: parent}
	t.self = whoami()
	t.self.Calls = calls
	if calls == "" {
		t.self.Calls = t.self.Start
	}
	t.key = t.self.Start + " " + t.self.Site
	w.mutex.Lock()
	defer w.mutex.Unlock()
	f, ok := w.functions[t.key]
	if !ok {
		copied := t.self
		copied.Goroutines = nil
		f = &copied
		w.functions[t.key] = f
	}
	f.Created++
	me := t.self.Goroutines[0]
	me.Parent = parent
	f.Goroutines = append(f.Goroutines, me)
	return t
}

// leave is the last thing a goroutine does.
func (t *testimony) leave() {
	t.to.mutex.Lock()
	defer t.to.mutex.Unlock()
	f := t.to.functions[t.key]
	f.Exited++
	for i := range f.Goroutines {
		g := &f.Goroutines[i]
		if g.Goid == t.self.Goroutines[0].Goid {
			g.Exited = true
			g.InnerNs = time.Since(t.begin).Nanoseconds()
		}
	}
}

// settle makes all goroutines seen so far elders: created before the window.
func (w *witnesses) settle() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, f := range w.functions {
		f.Elder = true
		f.Created = 0
	}
}

// sorted is the testimony as it goes into the truth.
func (w *witnesses) sorted() []*function {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var out []*function
	for _, f := range w.functions {
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].Start+out[i].Site < out[j].Start+out[j].Site
	})
	return out
}

// goid is the current goroutine's id.
func goid() uint64 {
	var buf [64]byte
	head := buf[:runtime.Stack(buf[:], false)]
	head = bytes.TrimPrefix(head, []byte("goroutine "))
	end := bytes.IndexByte(head, ' ')
	id, err := strconv.ParseUint(string(head[:end]), 10, 64)
	if err != nil {
		fail(err)
	}
	return id
}

// start is the name of the function that this goroutine started with.
func start() string {
	f := runtime.FuncForPC(bottom() - 1)
	// By its entry, which no inlined function shares.
	return runtime.FuncForPC(f.Entry()).Name()
}

// whoami describes the current goroutine. The last lines of its stack name the
// creator and the line of the go statement.
func whoami() function {
	buf := make([]byte, 64<<10)
	lines := strings.Split(string(buf[:runtime.Stack(buf, false)]), "\n")
	self := function{Start: start(), Goroutines: []goroutine{{Goid: goid()}}}
	for i := 1; i+1 < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "created by ") {
			continue
		}
		creator := strings.TrimPrefix(lines[i], "created by ")
		if in := strings.Index(creator, " in goroutine "); in >= 0 {
			creator = creator[:in]
		}
		self.Creator = creator
		site := strings.TrimSpace(lines[i+1])
		if plus := strings.LastIndex(site, " +0x"); plus >= 0 {
			site = site[:plus]
		}
		self.Site = site
	}
	return self
}
