/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where the time goes that a goroutine was in a state. */
#ifndef __SCHED_TIMES_BPF_H
#define __SCHED_TIMES_BPF_H

#include "sched_maps.bpf.h"

static __always_inline __u32 slot_of(const struct alive_life *life)
{
	__u32 slot = life->state - SCHED_RUNNING;

	if (life->state == SCHED_WAITING) {
		slot = SCHED_SLOT_WAITING + life->reason;
		if (slot >= SCHED_SLOTS)
			slot = SCHED_SLOTS - 1;
	}
	return (slot & (SCHED_SLOTS - 1)) + (life->flags & SCHED_SYSTEM ? SCHED_SLOTS : 0);
}

/*
 * Where times of this kind are added. An entry begins all zero; two CPUs that want to make one get the same. If there
 * is no room, they go to the total, and user space says how many.
 */
static __always_inline struct sched_times *times_of(__u64 start_pc, __u32 process, __u32 slot)
{
	struct sched_whose key = {
		.start_pc = sched_cfg.by_fn ? start_pc : 0,
		.process = sched_cfg.by_process ? process : 0,
		.slot = slot,
	};
	struct sched_times *times;

	if (sched_cfg.by_fn || sched_cfg.by_process) {
		times = bpf_map_lookup_elem(&sched_apart, &key);
		if (times)
			return times;
		bpf_map_update_elem(&sched_apart, &key, &no_times, BPF_NOEXIST);
		times = bpf_map_lookup_elem(&sched_apart, &key);
		if (times)
			return times;
		count(SCHED_N_APART_FULL);
	}
	return bpf_map_lookup_elem(&sched_totals, &slot);
}

/* Waiting is over that began on this stack. */
static __always_inline void add_block(__u64 stack, __u32 process, __u32 slot, __u64 ns)
{
	struct sched_block_key key = {
		.stack = stack,
		.process = sched_cfg.by_process ? process : 0,
		.slot = slot,
	};
	struct sched_block none = {}, *block = bpf_map_lookup_elem(&sched_blocks, &key);

	if (!block) {
		bpf_map_update_elem(&sched_blocks, &key, &none, BPF_NOEXIST);
		block = bpf_map_lookup_elem(&sched_blocks, &key);
	}
	if (!block) {
		count(SCHED_N_BLOCK_FULL);
		return;
	}
	__sync_fetch_and_add(&block->count, 1);
	__sync_fetch_and_add(&block->sum_ns, ns);
	if (ns > block->max_ns)
		block->max_ns = ns;
}

/*
 * Set once and never taken back. Another CPU may see it a moment later and take a goroutine for older than it is: that
 * one is then among those of whom only the end is known, with a time that is too long.
 */
static __always_inline void no_room(void)
{
	count(SCHED_N_MAP_FULL);
	sched_was_full = 1;
}

/*
 * The state that a goroutine was in is over. Cut: when it began was not seen. Then the time since the gate was opened
 * counts, unless the table was full once: the goroutine may then have begun later, and only that there was such a state
 * is known.
 */
static __always_inline void leave(const struct alive_life *life, __u32 process, int cut, __u64 now)
{
	__u64 since = cut ? sched_begin_ns : life->since_ns;
	__u64 ns = now > since ? now - since : 0;
	__u32 slot = slot_of(life);
	struct sched_times *times = times_of(life->start_pc, process, slot);

	if (!cut) {
		if (times)
			hist_add(&times->whole, ns);
		if (sched_cfg.stacks && life->state == SCHED_WAITING && life->stack)
			add_block(life->stack, process, slot, ns);
		return;
	}
	if (!times)
		return;
	if (sched_was_full)
		ns = 0;
	__sync_fetch_and_add(&times->cut, 1);
	__sync_fetch_and_add(&times->cut_ns, ns);
	if (ns > times->cut_max_ns)
		times->cut_max_ns = ns;
}

#endif
