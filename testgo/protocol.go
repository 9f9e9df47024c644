package main

// The conversation with the test: a word on stdout, then a line on stdin before
// going on. Nothing here allocates or starts a goroutine, so that the moments
// between which an observer is attached add nothing to what it counts.

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

var (
	wordReady = []byte("ready\n")
	wordDone  = []byte("done\n")
	inputByte [1]byte
	talk      = 1 // the descriptor to write to
)

func init() {
	if os.Getenv("TESTGO_TALK") == "stderr" {
		talk = 2
	}
}

// say writes a whole line to stdout, or to stderr where that is wanted.
func say(line []byte) {
	for len(line) > 0 {
		n, err := syscall.Write(talk, line)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			os.Exit(3)
		}
		line = line[n:]
	}
}

// await returns after a line, or the end, of stdin.
func await() {
	for {
		n, err := syscall.Read(0, inputByte[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 || inputByte[0] == '\n' {
			return
		}
	}
}

// ready tells that nothing has been done yet and waits for the go-ahead.
func ready() {
	say(wordReady)
	await()
}

// pause is a stop in the middle of the work, with a word of its own.
func pause(word string) {
	say([]byte(word + "\n"))
	await()
}

// done tells that the work is over, and waits so that observers can detach.
func done() {
	say(wordDone)
	await()
}

// truth is what every mode reports; modes embed it and add their own fields.
type truth struct {
	Mode      string      `json:"mode"`
	Go        string      `json:"go"`
	Pid       int         `json:"pid"`
	Procs     int         `json:"procs"`
	WorkNs    int64       `json:"work_ns"`
	Functions []*function `json:"functions,omitempty"`
}

// begin is the head of a truth; the clock of WorkNs starts.
func begin(name string) truth {
	return truth{
		Mode:   name,
		Go:     runtime.Version(),
		Pid:    os.Getpid(),
		Procs:  runtime.GOMAXPROCS(0),
		WorkNs: time.Now().UnixNano(),
	}
}

// worked stops the clock of WorkNs.
func (t *truth) worked() {
	t.WorkNs = time.Now().UnixNano() - t.WorkNs
}

// report prints the truth as one line and waits for leave to exit.
func report(truth interface{}) {
	line, err := json.Marshal(truth)
	if err != nil {
		fail(err)
	}
	say(append(line, '\n'))
	await()
}

// quiet waits until only so many goroutines are left: a WaitGroup is passed
// before its goroutine has really exited.
func quiet(goroutines int) {
	for runtime.NumGoroutine() > goroutines {
		time.Sleep(time.Millisecond)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "testgo:", err)
	os.Exit(4)
}
