/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs at the movements between run queues. */
#ifndef __GR_QUEUE_BPF_H
#define __GR_QUEUE_BPF_H

#include "gr_who.bpf.h"

/*
 * An event of a run queue. They are not summed up by anybody; one that could not be recorded is counted as lost like
 * any. All of them happen on g0, of which p_of() tells the P.
 */
static __always_inline int queue_event(struct go_regs *ctx, __u32 process, enum gr_kind kind, __u64 g, __u64 moved,
				       const struct go_site *site)
{
	struct gr_event *e = bpf_ringbuf_reserve(&gr_events, sizeof(*e), 0);

	if (!e) {
		count(GR_N_LOST_QUEUE);
		return 0;
	}
	e->goid = 0;
	e->start_pc = 0;
	e->created_pc = 0;
	if (g && describe(e, g, site)) {
		count(GR_N_UNREADABLE);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	e->time_ns = bpf_ktime_get_ns();
	e->of.moved = moved;
	e->process = process;
	e->p = p_of(GO_G(ctx));
	e->kind = kind;
	e->known = 0;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

/*
 * runtime.runqputslow(pp, gp, h, t) (runtime/proc.go, Go 1.19 to 1.27): half of the local queue [h, t), (t - h) / 2,
 * and gp move to the global queue. If another P steals from the queue just then, the function gives up and runqput
 * tries again, usually with room in the queue: such a try is counted as a move. It is an event of the scheduler, not of
 * goroutines: no sum that must come out depends on it.
 */
GO_PROBE(gr_put_global, ctx, process, site)
{
	return queue_event(ctx, process, GR_PUT_GLOBAL, GO_ARG1(ctx),
			   ((__u32)GO_ARG3(ctx) - (__u32)GO_ARG2(ctx)) / 2 + 1, site);
}

/*
 * runtime.globrunqget up to Go 1.24, runtime.globrunqgetbatch since 1.25 (runtime/proc.go): a P looks for goroutines in
 * the global queue, with sched.lock held. How many it gets is decided inside.
 */
GO_PROBE(gr_get_global, ctx, process, site)
{
	return queue_event(ctx, process, GR_GET_GLOBAL, 0, 0, site);
}

/*
 * The branch after `call runtime.runqgrab` in runtime.runqsteal (runtime/proc.go, Go 1.19 to 1.27): the result, 32 bits
 * of a register whose rest is undefined, is how many goroutines were grabbed. Most tries get nothing; they cost a trap
 * and write no record.
 */
GO_PROBE(gr_steal, ctx, process, site)
{
	if (!(__u32)GO_ARG0(ctx))
		return 0;
	return queue_event(ctx, process, GR_STEAL, 0, (__u32)GO_ARG0(ctx), site);
}

/* The same where runqgrab is inlined: at the branch on its result. */
GO_PROBE(gr_steal_copy, ctx, process, site)
{
	__u32 stolen = go_register(ctx, GO_OPERANDS_REGISTER(site));

	if (!stolen)
		return 0;
	return queue_event(ctx, process, GR_STEAL, 0, stolen, site);
}

#endif
