/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The runtime's own record of a collection (runtime.work), and how it is read. */
#ifndef __GC_RECORD_BPF_H
#define __GC_RECORD_BPF_H

#include "gc_open.bpf.h"

/* Reads one field of the runtime into a variable of the same width. */
#define READ(destination, field, bias) \
	bpf_probe_read_user((destination), sizeof(*(destination)), (void *)((bias) + gc_cfg.at.field))

/*
 * The record of a cycle in runtime.work: from `cycles` to `heap2` these are neighbours (runtime/mgc.go), so they are
 * read at once; a read takes some 0.1 us, however few bytes it is of. What a version or a patched runtime has put
 * elsewhere is read by itself (TAKE): its order is nothing that is relied on.
 */
struct gc_record {
	__u64 words[16];
};

#define GC_RECORD_BEGIN (gc_cfg.at.cycles & ~7ULL)

static __always_inline int read_record(struct gc_record *record, __u64 bias)
{
	return bpf_probe_read_user(record, sizeof(*record), (void *)(bias + GC_RECORD_BEGIN));
}

/* Gives a field of the record to a variable of the same width. Where it lies is constant for the verifier. */
#define TAKE(destination, field, record, bias)                                                \
	({                                                                                    \
		__u64 at = gc_cfg.at.field - GC_RECORD_BEGIN;                                 \
		int far = at > sizeof(*(record)) - sizeof(*(destination));                    \
                                                                                              \
		if (!far)                                                                     \
			*(destination) = *(typeof(destination))((const char *)(record) + at); \
		far ? READ(destination, field, bias) : 0;                                     \
	})

/*
 * Sweepers at work: sweep.active.state is their number and a bit (runtime/mgcsweep.go, activeSweep, Go 1.19 to 1.27).
 */
static __always_inline __u32 sweepers_left(__u64 bias)
{
	__u32 state;

	if (!gc_cfg.at.sweepers || READ(&state, sweepers, bias))
		return GC_SWEEPERS_UNKNOWN;
	return state & ~gc_cfg.drained_mask;
}

#endif
