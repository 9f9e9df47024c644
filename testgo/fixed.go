package main

// Allocations whose type the compiler knows: since Go 1.27 it calls an allocator
// made for that size instead of runtime.mallocgc.

// How many of each.
const fixedCount = 401

type (
	plain1     [1]byte
	plain2     [2]byte
	plain4     [4]byte
	plain8     [1]uint64
	plain12    [12]byte
	plain16    [2]uint64
	plain24    [3]uint64
	plain32    [4]uint64
	plain48    [6]uint64
	plain64    [8]uint64
	plain80    [10]uint64
	plain96    [12]uint64
	plain520   [65]uint64
	pointer8   [1]*byte
	pointer16  [2]*byte
	pointer24  [3]*byte
	pointer32  [4]*byte
	pointer48  [6]*byte
	pointer64  [8]*byte
	pointer80  [10]*byte
	pointer96  [12]*byte
	pointer520 [65]*byte
	empty      struct{}
)

var (
	sinkPlain1     *plain1
	sinkPlain2     *plain2
	sinkPlain4     *plain4
	sinkPlain8     *plain8
	sinkPlain12    *plain12
	sinkPlain16    *plain16
	sinkPlain24    *plain24
	sinkPlain32    *plain32
	sinkPlain48    *plain48
	sinkPlain64    *plain64
	sinkPlain80    *plain80
	sinkPlain96    *plain96
	sinkPlain520   *plain520
	sinkPointer8   *pointer8
	sinkPointer16  *pointer16
	sinkPointer24  *pointer24
	sinkPointer32  *pointer32
	sinkPointer48  *pointer48
	sinkPointer64  *pointer64
	sinkPointer80  *pointer80
	sinkPointer96  *pointer96
	sinkPointer520 *pointer520
	sinkEmpty      *empty
)

//go:noinline
func allocateFixed(n int) {
	for i := 0; i < n; i++ {
		sinkPlain1 = new(plain1)
		sinkPlain2 = new(plain2)
		sinkPlain4 = new(plain4)
		sinkPlain8 = new(plain8)
		sinkPlain12 = new(plain12)
		sinkPlain16 = new(plain16)
		sinkPlain24 = new(plain24)
		sinkPlain32 = new(plain32)
		sinkPlain48 = new(plain48)
		sinkPlain64 = new(plain64)
		sinkPlain80 = new(plain80)
		sinkPlain96 = new(plain96)
		sinkPlain520 = new(plain520)
		sinkPointer8 = new(pointer8)
		sinkPointer16 = new(pointer16)
		sinkPointer24 = new(pointer24)
		sinkPointer32 = new(pointer32)
		sinkPointer48 = new(pointer48)
		sinkPointer64 = new(pointer64)
		sinkPointer80 = new(pointer80)
		sinkPointer96 = new(pointer96)
		sinkPointer520 = new(pointer520)
		sinkEmpty = new(empty) // of no size: not an allocation
	}
}

func fixedIntents(n int) []intent {
	return []intent{
		{1, false, n},
		{2, false, n},
		{4, false, n},
		{8, false, n},
		{12, false, n},
		{16, false, n},
		{24, false, n},
		{32, false, n},
		{48, false, n},
		{64, false, n},
		{80, false, n},
		{96, false, n},
		{520, false, n},
		{8, true, n},
		{16, true, n},
		{24, true, n},
		{32, true, n},
		{48, true, n},
		{64, true, n},
		{80, true, n},
		{96, true, n},
		{520, true, n},
	}
}
