/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What gm.bpf.c and user space share. */
#ifndef __GM_H
#define __GM_H

/* Slots of the counters: the runtime's size classes by their own numbers (1 to 67), class 0 for large objects, which
 * have no size class, and one more for what the tiny allocator packs into 16-byte blocks. */
enum gm_slot {
	GM_LARGE = 0,
	GM_TINY = 68,
	GM_SLOTS = 69,
};

/* Counters, one array slot each, summed over CPUs by user space. */
enum gm_counter {
	GM_N_UNREADABLE, /* the type descriptor could not be read: counted as pointer-free */
	GM_N_UNCLASSED, /* no class has room for so large an object: not counted */
	GM_N_PROCESS_FULL, /* no room for another process: counted in the total only */
	GM_N_COUNTERS,
};

struct gm_count {
	__u64 objects;
	__u64 bytes; /* tiny: as asked for; classes: of the class; large: in whole pages */
};

/* What one process allocated, by enum gm_slot. */
struct gm_counts_of {
	struct gm_count slots[GM_SLOTS];
};

/* Where the runtime draws its lines; all sizes in bytes. */
struct gm_config {
	__u32 tiny_below; /* pointer-free objects smaller than this are tiny */
	__u32 small_max; /* larger objects have no size class */
	__u32 header_above; /* objects with pointers larger than this carry a malloc header; 0: there is none */
	__u32 header_bytes;
	__u32 type_ptr_bytes; /* offset of PtrBytes in a type descriptor: 0 there means pointer-free */
	__u32 page_bytes;
	__u32 generic_from; /* mallocgc hands smaller allocations over to functions that are probed themselves */
	__u32 by_process; /* each process has counts of its own */
};

/* Size class by size, as in runtime/sizeclasses.go: in steps of 8 bytes up to 1024, of 128 above. */
#define GM_STEP8_MAX 1024
#define GM_STEP8_SLOTS (GM_STEP8_MAX / 8 + 1)
#define GM_STEP128_SLOTS ((32768 - GM_STEP8_MAX) / 128 + 1)

_Static_assert(sizeof(struct gm_config) == 32, "shared with user space");
_Static_assert(sizeof(struct gm_count) == 16, "shared with user space");
_Static_assert(sizeof(struct gm_counts_of) == GM_SLOTS * 16, "shared with user space");

#endif
