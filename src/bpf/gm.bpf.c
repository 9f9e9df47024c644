// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Allocations, counted in the size class the runtime puts them in.
 *
 * Each program is for one kind of allocation function (src/go/site/allocators.rs says which functions are leaves, so that
 * no allocation passes two of them). The functions are tight: nothing but the registers is read where that suffices.
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

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GM_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} gm_counters SEC(".maps");

/* These make the skeleton emit the types. */
struct gm_count _gm_count = {};
enum gm_slot _gm_slot = GM_LARGE;
enum gm_counter _gm_counter = GM_N_UNREADABLE;

static __always_inline int count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&gm_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

static __always_inline int add(__u32 slot, __u64 bytes)
{
	struct gm_count *c = bpf_map_lookup_elem(&gm_counts, &slot);

	if (c) {
		__sync_fetch_and_add(&c->objects, 1);
		__sync_fetch_and_add(&c->bytes, bytes);
	}
	return 0;
}

static __always_inline int add_class(__u64 size)
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
	return add(class, gm_class_bytes[class]);
}

static __always_inline int add_large(__u64 size)
{
	__u64 page = gm_cfg.page_bytes;

	return add(GM_LARGE, (size + page - 1) & ~(page - 1));
}

static __always_inline int not_a_call(struct go_regs *ctx)
{
	struct go_site site;

	return go_ignored(go_process()) || go_site_of(ctx, &site);
}

/* mallocgcTiny and its size-specialised variants: (size, typ, needzero). */
GO_PROBE(gm_tiny)
{
	if (not_a_call(ctx))
		return 0;
	return add(GM_TINY, GO_ARG0(ctx));
}

/* Small objects without a malloc header. */
GO_PROBE(gm_plain)
{
	if (not_a_call(ctx))
		return 0;
	return add_class(GO_ARG0(ctx));
}

/* Small objects with a malloc header. */
GO_PROBE(gm_header)
{
	if (not_a_call(ctx))
		return 0;
	return add_class(GO_ARG0(ctx) + gm_cfg.header_bytes);
}

GO_PROBE(gm_large)
{
	if (not_a_call(ctx))
		return 0;
	return add_large(GO_ARG0(ctx));
}

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

/* mallocgc where it is the only function, or others are inlined into it: (size, typ, needzero). */
GO_PROBE(gm_generic)
{
	__u64 size = GO_ARG0(ctx), type = GO_ARG1(ctx);

	if (not_a_call(ctx))
		return 0;
	if (size == 0) /* nothing is allocated: the address of runtime.zerobase is returned */
		return 0;
	if (size < gm_cfg.generic_from)
		return 0;
	if (size > gm_cfg.small_max)
		return add_large(size);
	if (size < gm_cfg.tiny_below)
		return has_no_pointers(type) ? add(GM_TINY, size) : add_class(size);
	if (gm_cfg.header_above && size > gm_cfg.header_above && !has_no_pointers(type))
		return add_class(size + gm_cfg.header_bytes);
	return add_class(size);
}
