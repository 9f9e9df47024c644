/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a change of state is, and what it makes of what is remembered of a goroutine. */
#ifndef __SCHED_CHANGE_BPF_H
#define __SCHED_CHANGE_BPF_H

#include "sched_maps.bpf.h"
#include "sched_times.bpf.h"

/*
 * Who the goroutine is: it stays so as long as it lives. g.startpc is written by newproc1 before it makes the goroutine
 * runnable through casgstatus (runtime/proc.go), so it is there at the first change.
 */
static __always_inline void learn(struct alive_life *life, __u64 g, const struct go_site *site)
{
	__u64 pc = 0;

	if (bpf_probe_read_user(&pc, sizeof(pc), (void *)(g + sched_cfg.g_startpc)))
		count(SCHED_N_UNREADABLE);
	if (pc)
		pc -= site->bias;
	life->start_pc = pc;
	life->flags &= SCHED_ELDER;
	if (bpf_map_lookup_elem(&sched_system, &pc))
		life->flags |= SCHED_SYSTEM;
}

/*
 * g.waitreason. gopark writes it before park_m changes the state (runtime/proc.go, Go 1.19 to 1.27); where the runtime
 * does so later, the programs know the reason by where they stand.
 */
static __always_inline __u8 reason_of(__u64 g)
{
	__u8 reason = 0;

	if (bpf_probe_read_user(&reason, sizeof(reason), (void *)(g + sched_cfg.g_waitreason)))
		count(SCHED_N_UNREADABLE);
	return reason;
}

static __always_inline void begin(struct alive_life *life, __u8 state, __u8 reason, __u64 stack, __u64 now)
{
	life->state = state;
	life->reason = reason;
	life->stack = stack;
	life->since_ns = now;
}

/*
 * A process begins a program: runtime.main is made. User space takes what began before for another program's, and drops
 * it; no goroutine outlives an exec.
 */
static __always_inline void image_begins(__u32 process, __u64 now)
{
	if (bpf_map_update_elem(&sched_images, &process, &now, BPF_ANY))
		count(SCHED_N_IMAGE_FULL);
}

/* Where a goroutine goes over from and to; for waiting also what for, and on which stack. SCHED_GONE on the left: it is
 * made; on the right: it ends. */
struct change {
	__u8 from;
	__u8 to;
	__u8 reason;
	__u64 stack;
};

/*
 * The one place where states change. The first change that is seen of a goroutine which was not made under our eyes
 * tells what it was doing until now, not since when. From a change that is lost (there was no room) nothing is guessed:
 * the next one finds another state than it should, and ends that.
 */
static __always_inline void change(__u32 process, __u64 g, const struct change *c, const struct go_site *site,
				   __u64 now)
{
	struct alive_life *life = alive_place(process, g);
	int made = c->from == SCHED_GONE, cut;

	if (!life) {
		no_room();
		return;
	}
	/* It was there before us: the interval is counted as one that was cut. */
	cut = !made && life->state == SCHED_UNKNOWN;
	if (cut)
		life->flags = SCHED_ELDER;
	if (made || cut)
		learn(life, g, site);
	if (made) {
		if (life->start_pc && life->start_pc == sched_cfg.main_entry)
			image_begins(process, now);
	} else {
		/* A change may be told twice: at the system call and, where the state could not be changed at once, by
		 * runtime.casgstatus. */
		if (life->state == c->to && c->to != SCHED_WAITING)
			return;
		if (cut)
			begin(life, c->from, c->from == SCHED_WAITING ? reason_of(g) : 0, 0, now);
		/* A coroutine that ends has handed over just before. */
		if (cut || c->to != SCHED_GONE || life->state != SCHED_WAITING)
			leave(life, process, cut, now);
	}
	if (c->to == SCHED_GONE && !(life->flags & SCHED_ELDER))
		alive_forget(process, g, life);
	else
		begin(life, c->to, c->reason, c->stack, now);
}

/*
 * What a goroutine of this status does (g.atomicstatus, by sched_config.states); SCHED_UNKNOWN for a status in passing.
 */
static __always_inline __u8 state_of(__u32 status)
{
	if (status >= SCHED_STATUSES)
		return SCHED_UNKNOWN;
	return sched_cfg.states >> status * SCHED_STATE_BITS & ((1 << SCHED_STATE_BITS) - 1);
}

#define FROM(state) (1U << (state))

/*
 * Whether a goroutine can go over so. One that was to wait and goes on running never waited: for waiting to running
 * there is no way but through runnable, except for a coroutine, which has a program of its own. New extra Ms begin in a
 * system call (runtime/proc.go, needm), coroutines begin waiting: both from nothing.
 */
static __always_inline int is_change(const struct change *c)
{
	__u32 from = 0;

	switch (c->to) {
	case SCHED_RUNNABLE:
		from = FROM(SCHED_GONE) | FROM(SCHED_WAITING) | FROM(SCHED_SYSCALL) | FROM(SCHED_RUNNING);
		break;
	case SCHED_RUNNING:
		from = FROM(SCHED_RUNNABLE) | FROM(SCHED_SYSCALL);
		break;
	case SCHED_SYSCALL:
	case SCHED_WAITING:
		from = FROM(SCHED_RUNNING) | FROM(SCHED_GONE);
		break;
	case SCHED_GONE:
		from = FROM(SCHED_RUNNING) | FROM(SCHED_SYSCALL);
		break;
	}
	return from >> (c->from & 7) & 1;
}

#endif
