// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * What goroutines do with their time: each change of a goroutine's state ends an interval, which is added to the times
 * of that state, and begins another.
 *
 * Nearly all changes pass runtime.casgstatus(gp, old, new) (runtime/proc.go, Go 1.19 to 1.27). The probe is in front of
 * the change, and whoever changes a state is alone in doing so: hits of one goroutine follow each other, on whatever
 * CPUs, and what is remembered of it is written plainly. casgstatus may then still have to wait for the collector to
 * let go of the goroutine (_Gscan, while its stack is scanned): the change is taken to be made when it was asked for.
 *
 * The state of a goroutine that was there before the gate was opened is not asked for: its first change tells it. What
 * has not changed at all by the end, user space adds from the runtime's own list.
 *
 * Sums that goroutines share are per CPU or counted atomically. A maximum is raised without: of two that are raised at
 * once the smaller may win, which costs a little of one maximum and nothing else.
 */
#include "sched_maps.bpf.h"
#include "sched_change.bpf.h"
#include "sched_stack.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * Whether this goroutine is not in the sample. It is decided by the address of its g, so that all its changes are seen
 * or none. Other bits than those that choose its bucket: the table is used evenly.
 */
static __always_inline int left_out(__u64 g)
{
	__u32 spread;

	if (sched_cfg.sample <= 1)
		return 0;
	spread = (g ^ g >> 21) * 0xd6e8feb86659fd93ULL >> 32;
	return (__u64)spread * sched_cfg.sample >> 32 != 0;
}

/*
 * Where casgstatus returns to, as a link-time address. Indirect: where its caller does; in programs built without
 * optimisation park_m goes through casGToWaiting. What cannot be read is taken for no known caller, and counted.
 */
static __always_inline __u64 returns_to(struct go_regs *ctx, const struct go_site *site, int indirect)
{
	__u64 address = 0, frame = GO_FP(ctx);

	if (!sched_cfg.framed && !indirect) {
		address = go_return_address(ctx);
	} else {
		if (sched_cfg.framed && indirect && bpf_probe_read_user(&frame, sizeof(frame), (void *)frame))
			frame = 0;
		bpf_probe_read_user(&address, sizeof(address), (void *)(frame + 8));
	}
	if (!address)
		count(SCHED_N_CALLER_UNREADABLE);
	return address - site->bias;
}

/*
 * Whether a goroutine that goes from running to waiting really stops to run. Only in runtime.park_m does it: the
 * collector, stopTheWorld and others let a goroutine pass for waiting that goes on running, so that its stack can be
 * scanned (runtime/proc.go and runtime/mgc.go; since Go 1.21 through casGToWaiting).
 */
static __always_inline int parks(struct go_regs *ctx, const struct go_site *site)
{
	__u64 to = returns_to(ctx, site, sched_cfg.park_indirect);

	return to >= sched_cfg.park_begin && to < sched_cfg.park_end;
}

/*
 * The goroutine was in a system call until a moment ago, and finds no P: since Go 1.26 exitsyscall first makes it
 * running and then, in exitsyscallNoP, runnable (runtime/proc.go). It never ran in between, so it has been runnable
 * since.
 */
static __always_inline int ends_syscall(struct go_regs *ctx, const struct go_site *site)
{
	__u64 to;

	if (!sched_cfg.no_p_begin)
		return 0;
	to = returns_to(ctx, site, 0);
	return to >= sched_cfg.no_p_begin && to < sched_cfg.no_p_end;
}

/*
 * runtime.casgstatus(gp, old, new) (runtime/proc.go, Go 1.19 to 1.27), before it tries: it has no stack check, and the
 * arguments are in their registers. It is called on g0 or on the goroutine's own stack. Not behind the change, where
 * another thread may already be making the next one.
 */
GO_PROBE_IF(!left_out(GO_ARG0(ctx)), sched_status, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx);
	struct change c = { .from = state_of(GO_ARG1(ctx)), .to = state_of(GO_ARG2(ctx)) };
	struct alive_life *life;

	if (!is_change(&c))
		return 0;
	if (c.to == SCHED_WAITING) {
		if (c.from == SCHED_RUNNING) {
			if (!parks(ctx, site))
				return 0; /* it goes on running, and only passes for one that waits */
			c.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
		}
		c.reason = reason_of(g);
	}
	if (c.to == SCHED_RUNNABLE && c.from == SCHED_RUNNING && ends_syscall(ctx, site)) {
		life = alive_find(process, g);
		if (life && life->state == SCHED_RUNNING) {
			life->state = SCHED_RUNNABLE; /* since the end of the system call */
			return 0;
		}
	}
	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.casgstatus(gp, old, new) where it is inlined (PGO does that): at the branch behind the compare-and-swap of
 * gp.atomicstatus, if that went well; a try that did not is repeated and comes by again. What is known of a copy is in
 * its cookie: in which registers g and the states are, and whom the copy is in.
 *
 * So here the next change of the same goroutine, made by another thread, can be seen before this one, if this thread is
 * held up in the few instructions between the exchange and the trap. The two states then get each other's times; no
 * interval is lost, and none is counted twice.
 */
GO_PROBE(sched_status_copy, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g;
	struct change c = {};
	struct alive_life *life;
	__u32 old, new;

	if (go_exchange_failed(ctx))
		return 0;
	g = go_register(ctx, GO_OPERANDS_REGISTER(site));
	if (left_out(g))
		return 0;
	old = GO_OPERANDS_OLD(site);
	if (old == GO_OPERANDS_OLD_IN_AX)
		old = GO_ARG0(ctx);
	new = GO_OPERANDS_NEW(site);
	if (GO_OPERANDS_NEW_IN_REGISTER(site))
		new = go_register(ctx, new);
	c.from = state_of(old);
	c.to = state_of(new);
	if (!is_change(&c))
		return 0;
	if (c.to == SCHED_WAITING) {
		if (c.from == SCHED_RUNNING) {
			if (GO_OPERANDS_MEANING(site) != GO_MEANING_PARKS)
				return 0;
			c.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
		}
		c.reason = reason_of(g);
	}
	if (c.to == SCHED_RUNNABLE && c.from == SCHED_RUNNING && GO_OPERANDS_MEANING(site) == GO_MEANING_NO_P) {
		life = alive_find(process, g);
		if (life && life->state == SCHED_RUNNING) {
			life->state = SCHED_RUNNABLE;
			return 0;
		}
	}
	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.reentersyscall (runtime/proc.go), used since Go 1.26: from then on it changes the state by an exchange of its
 * own and calls casgstatus only if that fails. Then both probes are hit; change() drops the second. entersyscall, and
 * what returns from C, end there. On the goroutine's own stack, so it is the running g.
 */
GO_PROBE_IF(!left_out(GO_G(ctx)), sched_syscall_enter, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_G(ctx);
	struct change c = { .from = SCHED_RUNNING, .to = SCHED_SYSCALL };

	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.exitsyscall (runtime/proc.go), used since Go 1.26, for the same reason. It makes the goroutine running
 * whether there is a P for it or not; if there is none, ends_syscall() puts it right.
 */
GO_PROBE_IF(!left_out(GO_G(ctx)), sched_syscall_exit, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_G(ctx);
	struct change c = { .from = SCHED_SYSCALL, .to = SCHED_RUNNING };

	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.preemptPark(gp) (runtime/proc.go, Go 1.19 to 1.27): a running goroutine stops for the collector. The change,
 * to _Gpreempted, is made by casGToPreemptScan and not by casgstatus; suspendG later makes it waiting and only then
 * sets the reason (waitReasonPreempted), so that is told by user space. It goes on through casgstatus, like any that
 * waited.
 */
GO_PROBE_IF(!left_out(GO_ARG0(ctx)), sched_preempt, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx);
	struct change c = { .from = SCHED_RUNNING, .to = SCHED_WAITING, .reason = sched_cfg.preempted };

	c.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.coroswitch_m(gp) (runtime/coro.go, since Go 1.22): gp hands over to gp.coroarg.gp, and waits, or ends. Both
 * states are changed by exchanges of its own. Where these fail, and in bubbles of testing/synctest, casgstatus is
 * called besides: for the one that waits that is no park (parks()), and the one that runs passes for runnable for a
 * moment. On g0, gp stopped. Who is next is read before the runtime takes it: two that switch to one coroutine at once
 * are an error for which the program ends.
 */
GO_PROBE(sched_coroswitch, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx), coro = 0, next = 0;
	struct change waits = { .from = SCHED_RUNNING, .to = SCHED_WAITING, .reason = sched_cfg.coroutine };
	struct change runs = { .from = SCHED_WAITING, .to = SCHED_RUNNING };

	if (!left_out(g)) {
		waits.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
		change(process, g, &waits, site, now);
	}
	if (bpf_probe_read_user(&coro, sizeof(coro), (void *)(g + sched_cfg.g_coroarg)) ||
	    bpf_probe_read_user(&next, sizeof(next), (void *)(coro + sched_cfg.coro_gp))) {
		count(SCHED_N_UNREADABLE);
		return 0;
	}
	if (!left_out(next))
		change(process, next, &runs, site, now);
	return 0;
}
