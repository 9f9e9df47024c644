/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where a goroutine waits: its stack, and the key of that. */
#ifndef __SCHED_STACK_BPF_H
#define __SCHED_STACK_BPF_H

#include "sched_maps.bpf.h"

#define SCHED_MIX 0x9e3779b97f4a7c15ULL
#define SCHED_OTHER_MIX 0xc2b2ae3d27d4eb4fULL

/*
 * The stack of a goroutine that has saved where it is (runtime.mcall, g.sched): its key in sched_stacks, 0 if there is
 * none.
 *
 * It cannot run while it is walked: this thread is on its g0 and has not yet made it waiting. Its stack is not moved
 * either, since that takes a goroutine that is not running. Frame pointers lead from frame to frame; how far they can
 * be trusted says src/go/site/frame_pointers.rs. Equal stacks share one entry: the key is one hash of the addresses and
 * `check` another, so that two stacks of one key are noticed and not added up.
 */
static __always_inline __u64 stack_of(__u64 g, const struct go_site *site)
{
	struct sched_stack stack = {}, *known;
	__u64 frame[2]; /* the caller's frame, the return address */
	__u64 key = 0, bp = 0, pc = 0;
	__u32 i;

	if (bpf_probe_read_user(&pc, sizeof(pc), (void *)(g + sched_cfg.g_sched_pc)) ||
	    bpf_probe_read_user(&bp, sizeof(bp), (void *)(g + sched_cfg.g_sched_bp))) {
		count(SCHED_N_STACK_UNREADABLE);
		return 0;
	}
	for (i = 0; i < SCHED_DEPTH; i++) {
		pc -= site->bias;
		stack.pc[i] = pc;
		key = (key ^ pc) * SCHED_MIX;
		key ^= key >> 32;
		stack.check = (stack.check + pc) * SCHED_OTHER_MIX;
		stack.frames = i + 1;
		if (!bp)
			break;
		if (bpf_probe_read_user(frame, sizeof(frame), (void *)bp))
			break;
		bp = frame[0];
		pc = frame[1];
	}
	stack.deeper = bp != 0;
	key |= 1; /* not 0 */
	known = bpf_map_lookup_elem(&sched_stacks, &key);
	if (!known) {
		bpf_map_update_elem(&sched_stacks, &key, &stack, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&sched_stacks, &key);
	}
	if (!known) {
		count(SCHED_N_STACK_FULL);
		return 0;
	}
	if (known->check != stack.check) {
		count(SCHED_N_STACK_CLASH);
		return 0;
	}
	return key;
}

#endif
