// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Allocations, counted in the size class the runtime puts them in.
 *
 * Each program is for one kind of allocation function (src/go/site/allocators.rs says which functions are leaves, so
 * that no allocation passes two of them). The functions are tight: nothing but the registers is read where that
 * suffices.
 *
 * A program stands behind the stack check of its function and in front of all its work: what it counts is allocated,
 * unless the runtime then finds no memory, which ends the process. The size is what was asked for; which class that is,
 * is computed as the runtime does (runtime/sizeclasses.go, size_to_class8 and size_to_class128; since Go 1.25
 * internal/runtime/gc/sizeclasses.go), from tables that user space has made of the sizes in the binary itself. Where
 * the lines are drawn is the binary's too (struct gm_config; src/go/layout/size_classes.rs).
 *
 * No event leaves the kernel. Counts are per CPU; they are raised atomically because, on a preemptible kernel, a
 * program can be interrupted by that of another thread. They are read while others count: the number of objects and
 * that of their bytes may be apart by what is being counted just then.
 */
#include "go.bpf.h"
#include "gm.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct gm_config gm_cfg = {};
const volatile __u8 gm_step8[GM_STEP8_SLOTS] = {};
const volatile __u8 gm_step128[GM_STEP128_SLOTS] = {};
const volatile __u32 gm_class_bytes[GM_TINY] = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GM_SLOTS);
	__type(key, __u32); /* enum gm_slot or a size class */
	__type(value, struct gm_count);
} gm_counts SEC(".maps");

/* The same of each process; with gm_cfg.by_process they are here instead. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1); /* set by user space */
	__type(key, __u32);
	__type(value, struct gm_counts_of);
} gm_by_process SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GM_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} gm_counters SEC(".maps");

/* These make the skeleton emit the types. */
struct gm_count _gm_count = {};
struct gm_counts_of _gm_counts_of = {};
enum gm_slot _gm_slot = GM_LARGE;
enum gm_counter _gm_counter = GM_N_UNREADABLE;

static __always_inline int count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&gm_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

static struct gm_counts_of nothing; /* all zero: the first value of an entry of gm_by_process */

/* Two CPUs that want to make the entry of a process get the same; 0 if there is no room. */
static __always_inline struct gm_counts_of *counts_of(__u32 process)
{
	struct gm_counts_of *own = bpf_map_lookup_elem(&gm_by_process, &process);

	if (own)
		return own;
	bpf_map_update_elem(&gm_by_process, &process, &nothing, BPF_NOEXIST);
	return bpf_map_lookup_elem(&gm_by_process, &process);
}

/*
 * Where an allocation is counted. If there is no room for another process, it is in the total only, and user space says
 * how many are.
 */
static __always_inline struct gm_count *count_of(__u32 process, __u32 slot)
{
	struct gm_counts_of *own;

	if (gm_cfg.by_process) {
		own = counts_of(process);
		/* It may have been spilled meanwhile, and older verifiers then forget its bound: asked anew. */
		barrier_var(slot);
		if (own && slot < GM_SLOTS)
			return &own->slots[slot];
		count(GM_N_PROCESS_FULL);
	}
	return bpf_map_lookup_elem(&gm_counts, &slot);
}

static __always_inline int add(__u32 process, __u32 slot, __u64 bytes)
{
	struct gm_count *c = count_of(process, slot);

	if (c) {
		__sync_fetch_and_add(&c->objects, 1);
		__sync_fetch_and_add(&c->bytes, bytes);
	}
	return 0;
}

static __always_inline int add_class(__u32 process, __u64 size)
{
	__u32 class = GM_TINY, index;

	if (size <= GM_STEP8_MAX) {
		index = (size + 7) / 8;
		if (index < GM_STEP8_SLOTS)
			class = gm_step8[index];
	} else {
		index = (size - GM_STEP8_MAX + 127) / 128;
		if (index < GM_STEP128_SLOTS)
			class = gm_step128[index];
	}
	if (class >= GM_TINY)
		return count(GM_N_UNCLASSED);
	return add(process, class, gm_class_bytes[class]);
}

/* A power of two, so whole pages are a matter of bits. */
static __always_inline int add_large(__u32 process, __u64 size)
{
	__u64 page = gm_cfg.page_bytes;

	return add(process, GM_LARGE, (size + page - 1) & ~(page - 1));
}

/*
 * mallocgcTiny(size, typ, needzero) (runtime/malloc.go, since Go 1.24; no needzero since 1.25) and its variants for one
 * size (runtime/malloc_generated.go, since 1.26): several objects share a block of 16 bytes, so it is bytes asked for
 * that are counted, and no class.
 */
GO_PROBE(gm_tiny, ctx, process, site)
{
	return add(process, GM_TINY, GO_ARG0(ctx));
}

/* Small objects without a malloc header: mallocgcSmallNoscan… and mallocgcSmallScanNoHeader…, since Go 1.24. */
GO_PROBE(gm_plain, ctx, process, site)
{
	return add_class(process, GO_ARG0(ctx));
}

/*
 * mallocgcSmallScanHeader, since Go 1.24: the runtime adds the header before it looks for the class, and so is it done
 * here.
 */
GO_PROBE(gm_header, ctx, process, site)
{
	return add_class(process, GO_ARG0(ctx) + gm_cfg.header_bytes);
}

/* mallocgcLarge, since Go 1.24: pages of its own. */
GO_PROBE(gm_large, ctx, process, site)
{
	return add_large(process, GO_ARG0(ctx));
}

/*
 * Whether the objects of a type hold no pointers: its PtrBytes is 0, or there is no type (abi.Type,
 * internal/abi/type.go; _type.ptrdata, runtime/type.go, until Go 1.20). A program cannot wait for a page that is not in
 * memory at the moment: that is counted, and the object counts as pointer-free.
 */
static __always_inline int has_no_pointers(__u64 type)
{
	__u64 ptr_bytes;

	if (!type)
		return 1;
	if (bpf_probe_read_user(&ptr_bytes, sizeof(ptr_bytes), (void *)(type + gm_cfg.type_ptr_bytes))) {
		count(GM_N_UNREADABLE);
		return 1;
	}
	return ptr_bytes == 0;
}

/*
 * mallocgc(size, typ, needzero) (runtime/malloc.go) where no other function allocates, up to Go 1.23, or where those
 * that do are inlined into it: it decides here which of the ways above is taken, in the runtime's order. The descriptor
 * of a type lies in the program's read-only data, or where package reflect has made one; an allocation that holds it
 * keeps it there.
 */
GO_PROBE(gm_generic, ctx, process, site)
{
	__u64 size = GO_ARG0(ctx), type = GO_ARG1(ctx);

	if (size == 0) /* nothing is allocated: the address of runtime.zerobase is returned */
		return 0;
	if (size < gm_cfg.generic_from) /* it passes a function with a probe of its own */
		return 0;
	if (size > gm_cfg.small_max)
		return add_large(process, size);
	if (size < gm_cfg.tiny_below)
		return has_no_pointers(type) ? add(process, GM_TINY, size) : add_class(process, size);
	if (gm_cfg.header_above && size > gm_cfg.header_above && !has_no_pointers(type))
		return add_class(process, size + gm_cfg.header_bytes);
	return add_class(process, size);
}
