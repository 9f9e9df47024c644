/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Adds to the histogram of hist.h from a program. */
#ifndef __HIST_BPF_H
#define __HIST_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "hist.h"

/* Position of the highest set bit. There is no instruction for it, and branches would be taken at random: so the bits
 * below it are set and all are counted (Knuth, The Art of Computer Programming 7.1.3). */
static __always_inline __u32 hist_log2(__u64 v)
{
	v |= v >> 1;
	v |= v >> 2;
	v |= v >> 4;
	v |= v >> 8;
	v |= v >> 16;
	v |= v >> 32;
	v >>= 1;
	v -= v >> 1 & 0x5555555555555555;
	v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return v * 0x0101010101010101 >> 56;
}

/*
 * Multiples of 62.5 ns, rounded down: ns * 2 / 125. Without division for short times: they are multiplied by 2^36 /
 * 125, rounded up: 14 / 125 too much, which makes a difference from 2^35 / 14 ns on.
 */
static __always_inline __u64 hist_units(__u64 ns)
{
	if (ns < 1ULL << 31)
		return ns * 549755814 >> 35;
	return ns / 125 * 2 + (ns % 125) * 2 / 125; /* no overflow */
}

/* The slot of hist.h. Longer than all: the last. */
static __always_inline __u32 hist_slot(__u64 ns)
{
	__u64 units = hist_units(ns);
	__u32 octave, slot;

	if (units < 8)
		return units;
	octave = hist_log2(units);
	slot = (octave - 2) * 8 + ((units >> (octave - 3)) & 7);
	return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

/* Each try but the last fails only because another one has raised it meanwhile. */
#define HIST_TRIES 4

static __always_inline void hist_raise_max(struct hist *h, __u64 ns)
{
	__u64 max = h->max_ns, before;
	int i;

	for (i = 0; i < HIST_TRIES && ns > max; i++) {
		before = __sync_val_compare_and_swap(&h->max_ns, max, ns);
		if (before == max)
			return;
		max = before;
	}
	/* Where there is no compare-and-swap (src/probe/older.rs), or others were faster each time. */
	if (ns > h->max_ns)
		h->max_ns = ns;
}

/*
 * User space reads while programs add: a duration may be in its slot and not yet in the sum. What it shows is from
 * before or after that one, and the last report is made when no program runs any more.
 *
 * Atomic also for a histogram of one CPU: a program cannot be moved to another CPU while it runs, but on a preemptible
 * kernel another task's probe can interrupt it there.
 */
static __always_inline void hist_add(struct hist *h, __u64 ns)
{
	__u32 slot = hist_slot(ns);

	if (slot >= HIST_SLOTS) /* the verifier forgets the bound above */
		return;
	__sync_fetch_and_add(&h->slots[slot], 1);
	__sync_fetch_and_add(&h->sum_ns, ns);
	hist_raise_max(h, ns);
}

#endif
