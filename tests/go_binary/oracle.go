// A program that says of its own code what grtmon should find in its file, as the runtime itself knows it.
//
// Standard input: the link-time address of main.main, then link-time addresses of instructions, one per line, in
// hexadecimal. Output, tab-separated, with link-time addresses:
//
//	pc     ADDRESS  FUNCTION  FILE  LINE    the innermost function at each of them
//	stack  ADDRESS  FUNCTION  FILE  LINE …  at a call: the inlined functions, innermost first, and the function itself
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"text/template"
)

// Record every allocation, so that stacks are plenty.
func init() { runtime.MemProfileRate = 1 }

func main() {
	work()

	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	bias := uintptr(reflect.ValueOf(main).Pointer()) - parse(in.Text())
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()

	for in.Scan() {
		pc := parse(in.Text())
		// The runtime takes addresses for return addresses.
		frame, _ := runtime.CallersFrames([]uintptr{pc + bias + 1}).Next()
		fmt.Fprintf(out, "pc\t%x%s\n", pc, describe(frame))
	}
	stacks(bias, out)
}

func describe(frame runtime.Frame) string {
	return fmt.Sprintf("\t%s\t%s\t%d", frame.Function, frame.File, frame.Line)
}

func parse(text string) uintptr {
	value, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		panic(err)
	}
	return uintptr(value)
}

// stacks prints each place in a stack where something has been allocated.
func stacks(bias uintptr, out *bufio.Writer) {
	runtime.GC()
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 100000)
	n, ok := runtime.MemProfile(records, true)
	if !ok {
		panic("too many records")
	}
	for _, record := range records[:n] {
		frames := runtime.CallersFrames(record.Stack())
		var pc uintptr
		line := ""
		for {
			frame, more := frames.Next()
			if frame.Function == "" {
				break
			}
			if line == "" {
				pc = frame.PC - bias
			}
			line += describe(frame)
			// An inlined function has no Func.
			if frame.Func != nil {
				fmt.Fprintf(out, "stack\t%x%s\n", pc, line)
				line = ""
			}
			if !more {
				break
			}
		}
	}
}

type tree struct {
	Left, Right *tree
	Name        string `json:"name,omitempty"`
	Values      map[string][]float64
}

func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	values := map[string][]float64{"x": {1, 2, 3}, strings.Repeat("y", depth): nil}
	return &tree{grow(depth - 1), grow(depth - 1), leaf(depth), values}
}

// Inlined into each other, and into their callers.
func leaf(depth int) string   { return middle(depth) + "!" }
func middle(depth int) string { return string(inner(make([]byte, 0, depth), depth)) }
func inner(to []byte, n int) []byte {
	return append(to, pair[int, string]{n, "generic"}.show()...)
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func (p pair[K, V]) show() string { return fmt.Sprint(p.key, p.value) }

func work() {
	data, err := json.Marshal(grow(6))
	if err != nil {
		panic(err)
	}
	var back tree
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&back); err != nil {
		panic(err)
	}
	words := regexp.MustCompile(`(?i)[a-z]+(?P<n>\d)?`).FindAllString(string(data), -1)
	sort.Slice(words, func(i, j int) bool { return words[i] < words[j] })
	text := template.Must(template.New("t").Parse(`{{range .}}{{printf "%q" .}}{{end}}`))
	if err := text.Execute(&bytes.Buffer{}, words[:10]); err != nil {
		panic(err)
	}
	user.Current()
	done := make(chan string)
	for i := 0; i < 4; i++ {
		go func() {
			defer func() { done <- fmt.Sprint(recover()) }()
			var none *tree
			_ = none.Name
		}()
	}
	for i := 0; i < 4; i++ {
		<-done
	}
}
