package main

// Mode demo: a small server's worth of everything at once, until stdin ends.

import (
	"crypto/sha256"
	"encoding/json"
	"io"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"time"
)

func init() {
	modes["demo"] = mode{"workers, timers, allocations, collections, until stdin ends", runDemo}
}

type order struct {
	ID    int               `json:"id"`
	Items []string          `json:"items"`
	Tags  map[string]string `json:"tags"`
}

type shop struct {
	orders    chan order
	catalogue map[string]*order // keeps the collector from running all the time
	mutex     sync.Mutex
	cache     map[int][]byte
}

func runDemo([]string) {
	s := &shop{
		orders:    make(chan order, 64),
		catalogue: map[string]*order{},
		cache:     map[int][]byte{},
	}
	for id := 0; id < 100000; id++ {
		s.catalogue[strconv.Itoa(id)] = &order{ID: id, Items: make([]string, 4)}
	}
	for i := 0; i < 4; i++ {
		go s.packer()
	}
	go s.customers()
	go s.cacheSweeper()
	go s.reporter()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		fail(err)
	}
}

// customers come at random, each in a goroutine of its own.
func (s *shop) customers() {
	for id := 0; ; id++ {
		go s.handleOrder(id)
		time.Sleep(time.Duration(rand.Intn(4000)) * time.Microsecond)
	}
}

func (s *shop) handleOrder(id int) {
	o := order{ID: id, Tags: map[string]string{"state": "new"}}
	for i := rand.Intn(20); i >= 0; i-- {
		o.Items = append(o.Items, "item")
	}
	priced := make(chan int, 1)
	go price(o, priced)
	<-priced
	s.orders <- o
}

// price takes between 0.1 and some 20 ms.
func price(o order, priced chan<- int) {
	time.Sleep(time.Duration(100+rand.ExpFloat64()*2000) * time.Microsecond)
	priced <- len(o.Items)
}

func (s *shop) packer() {
	for o := range s.orders {
		packed, err := json.Marshal(o)
		if err != nil {
			fail(err)
		}
		sum := sha256.Sum256(packed)
		s.mutex.Lock()
		s.cache[o.ID] = append(packed, sum[:]...)
		s.cache[-1-o.ID%8] = make([]byte, 64<<10)
		s.mutex.Unlock()
	}
}

func (s *shop) cacheSweeper() {
	for range time.Tick(700 * time.Millisecond) {
		s.mutex.Lock()
		s.cache = map[int][]byte{}
		s.mutex.Unlock()
	}
}

// reporter starts a short goroutine by timer, over and over.
func (s *shop) reporter() {
	for range time.Tick(250 * time.Millisecond) {
		time.AfterFunc(10*time.Millisecond, func() {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			_, _ = json.Marshal(len(s.cache))
		})
	}
}
