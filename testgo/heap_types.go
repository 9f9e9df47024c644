package main

// Mode types: a heap of known composition.

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
)

func init() {
	modes["types"] = mode{"keeps known numbers of objects of known types, and says what runtime.MemStats says of them", runTypes}
}

// Of each size: without pointers, small with them, and so large that the runtime writes the type in front.
type typesLeaf struct {
	a, b, c int64
}

type typesNode struct {
	next *typesNode
	leaf *typesLeaf
	id   int
}

type typesBig struct {
	nodes [70]*typesNode
	n     int
}

type typesHuge struct {
	first *typesLeaf
	rest  [5000]*typesLeaf
}

type typesText struct {
	name string
	data []byte
}

type typesShape interface{ area() int }

type typesSquare struct{ side, unused int }

func (s *typesSquare) area() int { return s.side * s.side }

type typesPair[K comparable, V any] struct {
	key   K
	value V
	next  *typesPair[K, V]
}

type typesCaught struct {
	p *typesLeaf
	q *typesLeaf
}

type typesChanElem struct {
	leaf *typesLeaf
	n    int
}

type typesAtomic struct {
	to atomic.Pointer[typesText]
	id int
}

// What is kept is found by way of interfaces.
var (
	typesKept   []interface{}
	typesShapes []typesShape
	typesFuncs  []func() int64
	typesSink   int64
)

type typesTruth struct {
	truth
	HeapAlloc   uint64            `json:"heap_alloc"`
	HeapObjects uint64            `json:"heap_objects"`
	BySize      map[string]uint64 `json:"by_size"`
	Kept        map[string]uint64 `json:"kept"`
	Garbage     uint64            `json:"garbage"`
}

//go:noinline
func typesClosure(leaf *typesLeaf, other *typesLeaf) func() int64 {
	return func() int64 { return leaf.a + other.b }
}

func typesAllocate(n int) map[string]uint64 {
	kept := map[string]uint64{}
	// A list.
	var list *typesNode
	for i := 0; i < n; i++ {
		list = &typesNode{next: list, id: i}
		if i%2 == 0 {
			list.leaf = &typesLeaf{a: int64(i)}
			kept["main.typesLeaf"]++
		}
		kept["main.typesNode"]++
	}
	typesKept = append(typesKept, list)
	// Of more than 512 bytes, one after the other in a slice.
	var bigs []*typesBig
	for i := 0; i < n/10; i++ {
		big := &typesBig{n: i}
		big.nodes[i%70] = &typesNode{id: i}
		bigs = append(bigs, big)
		kept["main.typesBig"]++
		kept["main.typesNode"]++
	}
	typesKept = append(typesKept, bigs)
	// Large.
	for i := 0; i < 7; i++ {
		huge := &typesHuge{first: &typesLeaf{}}
		huge.rest[4999] = &typesLeaf{}
		typesKept = append(typesKept, huge)
		kept["main.typesHuge"]++
		kept["main.typesLeaf"] += 2
	}
	// Slices of values, with pointers and without.
	for i := 0; i < 11; i++ {
		values := make([]typesNode, 200)
		for j := range values {
			values[j].leaf = &typesLeaf{}
		}
		typesKept = append(typesKept, values)
		kept["[]main.typesNode"]++
		kept["main.typesLeaf"] += 200
		typesKept = append(typesKept, make([]typesLeaf, 100))
		kept["[]main.typesLeaf"]++
	}
	// Strings and bytes.
	texts := make([]typesText, 0, n)
	for i := 0; i < n; i++ {
		texts = append(texts, typesText{
			name: strings.Repeat("x", 100) + fmt.Sprint(i),
			data: make([]byte, 300),
		})
		kept["string"]++
		kept["[]uint8"]++
	}
	typesKept = append(typesKept, texts)
	kept["[]main.typesText"]++
	// Maps.
	small := map[string]*typesSquare{"a": {side: 1}}
	typesKept = append(typesKept, small)
	large := map[int]*typesSquare{}
	for i := 0; i < n; i++ {
		large[i] = &typesSquare{side: i}
	}
	typesKept = append(typesKept, large)
	kept["main.typesSquare"] += uint64(n) + 1
	kept["map[string]*main.typesSquare"]++
	kept["map[int]*main.typesSquare"]++
	// Channels.
	for i := 0; i < 13; i++ {
		c := make(chan typesChanElem, 20)
		c <- typesChanElem{leaf: &typesLeaf{}}
		typesKept = append(typesKept, c)
		kept["chan main.typesChanElem"]++
		kept["chan main.typesChanElem (buffer)"]++
		kept["main.typesLeaf"]++
		typesKept = append(typesKept, make(chan int, 30))
		kept["chan int"]++
	}
	// Interfaces with methods; each points to its object.
	for i := 0; i < n; i++ {
		typesShapes = append(typesShapes, &typesSquare{side: i})
		kept["main.typesSquare"]++
	}
	// Functions.
	for i := 0; i < n; i++ {
		f := typesClosure(&typesLeaf{a: 1}, &typesLeaf{b: 2})
		typesFuncs = append(typesFuncs, f)
		kept["func main.typesClosure.func1"]++
	}
	// Types that are made by the compiler.
	var pair *typesPair[string, *typesSquare]
	for i := 0; i < n; i++ {
		pair = &typesPair[string, *typesSquare]{key: "k", value: &typesSquare{}, next: pair}
		kept["main.typesPair[string,*main.typesSquare]"]++
		kept["main.typesSquare"]++
	}
	typesKept = append(typesKept, pair)
	// Behind an atomic pointer.
	for i := 0; i < 17; i++ {
		a := &typesAtomic{id: i}
		a.to.Store(&typesText{name: "n"})
		typesKept = append(typesKept, a)
		kept["main.typesAtomic"]++
		kept["main.typesText"]++
	}
	return kept
}

func runTypes(args []string) {
	flags := flag.NewFlagSet("types", flag.ExitOnError)
	n := flags.Int("n", 10007, "objects of each kind")
	mib := flags.Int("mib", 0, "MiB of more objects")
	garbage := flags.Int("garbage", 0, "objects that die before it is ready")
	busy := flags.Bool("busy", false, "allocate and collect garbage while it is being read")
	parse(flags, args)
	kept := typesAllocate(*n)
	for size := 0; size < *mib<<20; size += 144 {
		pair := &typesPair[string, *typesSquare]{value: &typesSquare{}}
		typesKept = append(typesKept, pair)
		if size%7 == 0 {
			typesKept = append(typesKept, &typesBig{})
		}
	}
	debug.SetGCPercent(-1)
	runtime.GC()
	runtime.GC()
	for i := 0; i < *garbage; i++ {
		typesSink += int64(len(make([]*typesNode, 100)))
		typesDead = &typesBig{n: i}
	}
	t := typesTruth{BySize: map[string]uint64{}, Kept: kept, Garbage: uint64(*garbage)}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	for i := range stats.BySize {
		t.BySize[fmt.Sprint(stats.BySize[i].Size)] = 0
	}
	t.truth = begin("types")
	var ended atomic.Value
	if *busy {
		go func() {
			for ended.Load() == nil {
				typesBusy = typesAllocateSome()
				runtime.GC()
			}
		}()
	}
	runtime.ReadMemStats(&stats)
	ready()
	ended.Store(true)
	t.worked()
	t.HeapAlloc, t.HeapObjects = stats.HeapAlloc, stats.HeapObjects
	for _, class := range stats.BySize {
		t.BySize[fmt.Sprint(class.Size)] = class.Mallocs - class.Frees
	}
	done()
	typesSink += typesFuncs[0]() + int64(typesShapes[0].area())
	report(t)
	runtime.KeepAlive(typesKept)
}

var (
	typesDead *typesBig
	typesBusy *typesNode
)

//go:noinline
func typesAllocateSome() *typesNode {
	var list *typesNode
	for i := 0; i < 10000; i++ {
		list = &typesNode{next: list, leaf: &typesLeaf{}}
	}
	return list
}
