/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Adds to the histogram of hist.h from a program. */
#ifndef __HIST_BPF_H
#define __HIST_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "hist.h"

/* Position of the highest set bit; 0 for 0 and 1. No loop and no bit-scan instruction exist in BPF. */
static __always_inline __u32 hist_log2(__u64 v)
{
	__u32 r = 0;

	if (v >> 32) {
		v >>= 32;
		r += 32;
	}
	if (v >> 16) {
		v >>= 16;
		r += 16;
	}
	if (v >> 8) {
		v >>= 8;
		r += 8;
	}
	if (v >> 4) {
		v >>= 4;
		r += 4;
	}
	if (v >> 2) {
		v >>= 2;
		r += 2;
	}
	if (v >> 1)
		r += 1;
	return r;
}

static __always_inline __u32 hist_slot(__u64 ns)
{
	__u64 units = ns / 125 * 2 + (ns % 125) * 2 / 125; /* 16 units per 1000 ns; no overflow */
	__u32 octave, slot;

	if (units < 8)
		return units;
	octave = hist_log2(units);
	slot = (octave - 2) * 8 + ((units >> (octave - 3)) & 7);
	return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

/* For a per-CPU histogram: a program cannot be moved to another CPU while it runs, but on a preemptible kernel
 * another task's probe can interrupt it there, so the additions are atomic all the same. */
static __always_inline void hist_add(struct hist *h, __u64 ns)
{
	__u32 slot = hist_slot(ns);

	if (slot >= HIST_SLOTS) /* the verifier forgets the bound above */
		return;
	__sync_fetch_and_add(&h->slots[slot], 1);
	__sync_fetch_and_add(&h->count, 1);
	__sync_fetch_and_add(&h->sum_ns, ns);
	if (ns > h->max_ns)
		h->max_ns = ns;
}

#endif
