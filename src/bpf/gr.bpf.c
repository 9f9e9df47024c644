// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Goroutines: creation, first execution, exit; and the movements between run queues.
 *
 * A goroutine's first execution is seen at the start function itself, so that nothing fires on a mere switch. A
 * function that is started by `go` can be called directly too. On x86-64 it is told apart by two registers: the frame
 * pointer of a goroutine that has not run yet is 0 (runtime.newproc1 clears g.sched), and runtime.gogo jumps through a
 * register that then holds the function's entry, or, where the stack was too small for the function, the address after
 * its call of morestack (runtime/asm_*.s). A direct call has the caller's frame pointer, also where it was preempted on
 * entry and is resumed by gogo. On arm64, where Go before 1.21 loses frame pointers when it moves a stack, the link
 * register says it: a start function returns into runtime.goexit, behind its first instruction (runtime.newproc1).
 * (runtime/proc.go, newproc1 and gostartcallfn; runtime/asm_amd64.s and asm_arm64.s, gogo; Go 1.19 to 1.27.)
 *
 * The programs of one goroutine come one after the other, on whatever CPUs: it is created before it is put where
 * another thread can take it, it runs before it exits, and its g is used again only after it has been freed by the exit
 * (gfput). Each of these passes something on through atomic instructions of the runtime, behind the probe. So what is
 * remembered of a goroutine is written plainly. What several goroutines share is counted atomically.
 *
 * A record reserves its place in the ring buffer and is written there: records of several CPUs are not in the order of
 * their times. User space sorts them.
 */
#include "gr_maps.bpf.h"
#include "gr_who.bpf.h"
#include "gr_queue.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * The goroutine is counted before anything can fail. It is remembered even where its record is lost, so that its exit,
 * and how long it lived, can be told; where there is no room for that, its record still goes out.
 */
static __always_inline int created(struct go_regs *ctx, const struct go_site *site, __u32 process, __u64 newg, __u16 p)
{
	__u64 now = bpf_ktime_get_ns(), creator = 0;
	struct alive_life *life;
	struct gr_event *e;

	count(GR_N_CREATED);
	if (!gr_cfg.has_parent)
		creator = current_goid(GO_G(ctx));
	life = alive_place(process, newg);
	if (life) {
		life->created_ns = now;
		life->started_ns = 0;
		life->creator = creator;
		life->goid = 0;
	} else {
		count(GR_N_CREATE_MAP_FULL);
	}
	e = bpf_ringbuf_reserve(&gr_events, sizeof(*e), 0);
	if (!e) {
		count(GR_N_LOST_CREATE);
		return 0;
	}
	e->time_ns = now;
	e->process = process;
	e->p = p;
	e->kind = GR_CREATE;
	e->known = 0;
	if (describe(e, newg, site)) {
		count(GR_N_UNREADABLE);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	if (!gr_cfg.has_parent)
		e->of.creator = creator;
	if (life) {
		life->creator = e->of.creator;
		life->start_pc = e->start_pc;
		life->created_pc = e->created_pc;
		life->goid = e->goid;
	}
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

/*
 * At `call runtime.runqput` in runtime.newproc.func1 (runtime/proc.go, newproc, Go 1.19 to 1.27): runqput(pp, newg,
 * next). Not at the entry of newproc1: there newg is not yet made. Here everything in it is final (goid, startpc, gopc
 * and, since Go 1.21, parentGoid), and no other thread can run it yet, so its exit cannot overtake this. The thread
 * holds its P.
 */
GO_PROBE(gr_create, ctx, process, site)
{
	return created(ctx, site, process, GO_ARG1(ctx), p_id(GO_ARG0(ctx)));
}

/*
 * At the branch after `call runtime.newproc1` in runtime.newcoro.func1 (runtime/coro.go, since Go 1.22; iter.Pull uses
 * it from 1.23 on): the result is the coroutine's g. It is never put into a run queue, so there is no call of runqput
 * to stand at; its creator is the first who can switch to it, after this. Also in runtime.newproc.func1, where
 * runtime.runqput is inlined: newg is the result there too.
 */
GO_PROBE(gr_create_coro, ctx, process, site)
{
	return created(ctx, site, process, GO_ARG0(ctx), p_of(GO_G(ctx)));
}

/*
 * A new program image: what is remembered of this process belongs to the one before. It is not taken away here; user
 * space drops what began before this time, and a g of the same address overwrites it.
 */
static __always_inline void image_begins(__u32 process, __u64 now)
{
	struct gr_event *e = bpf_ringbuf_reserve(&gr_events, sizeof(*e), 0);

	if (!e) {
		count(GR_N_LOST_IMAGE);
		return;
	}
	__builtin_memset(e, 0, sizeof(*e));
	e->time_ns = now;
	e->process = process;
	e->p = GR_NO_P;
	e->kind = GR_IMAGE;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
}

/*
 * The register through which gogo jumped holds the function's entry, or an address behind its stack check: a little
 * more than that, in any case not as much as a function is long at the most. A direct call has there what its caller
 * left.
 */
#if defined(__TARGET_ARCH_x86)
#define GR_LONGEST_FUNCTION (1 << 20) /* bytes of code */
#else
#define GR_INSTRUCTION 4 /* bytes of one */
#endif

/* Whether a start function was called, and not started (see the top). Nothing is read from memory for it. */
static __always_inline int is_direct_call(struct go_regs *ctx, const struct go_site *site)
{
#if defined(__TARGET_ARCH_x86)
	return GO_FP(ctx) || GO_GOGO_TARGET(ctx) - (GO_PC(ctx) - site->offset) >= GR_LONGEST_FUNCTION;
#else
	return go_return_address(ctx) - site->bias != gr_cfg.goexit + GR_INSTRUCTION;
#endif
}

/*
 * At the site of a start function: behind its stack check, so that a start which first needs a larger stack is seen
 * once. R14 (x28) is the goroutine. runtime.main is one of them, and begins a program; its creation by the bootstrap is
 * seen too where the process is started under our eyes.
 */
GO_PROBE(gr_start, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns();
	struct alive_life *life;

	if (is_direct_call(ctx, site)) {
		/* There is room for every site (user space sees to it), and a call is no event. */
		count_at(&gr_direct, &site->vaddr);
		return 0;
	}
	if (site->vaddr == gr_cfg.main_site)
		image_begins(process, now);
	life = alive_place(process, GO_G(ctx));
	if (!life) {
		count(GR_N_MAP_FULL);
		return 0;
	}
	/*
	 * Two links can hold one site for a moment, while user space changes the set: the second hit follows at once.
	 */
	life->started_ns = now;
	return 0;
}

/* Whose a duration is: what is not told apart is 0. */
static __always_inline struct gr_whose whose(__u64 start_pc, __u32 process)
{
	struct gr_whose whose = {
		.start_pc = start_pc,
		.process = gr_cfg.by_process ? process : 0,
	};

	return whose;
}

/*
 * Where there is no room for a histogram of its own, the duration is in the total, and that it is not elsewhere is
 * counted.
 */
static __always_inline void add_duration(const struct gr_whose *whose, __u64 ns)
{
	struct hist *h;
	__u32 zero = 0;

	h = bpf_map_lookup_elem(&gr_total, &zero);
	if (h)
		hist_add(h, ns);
	if (!gr_cfg.by_fn && !gr_cfg.by_process)
		return;
	h = bpf_map_lookup_elem(&gr_apart, whose);
	if (!h) {
		bpf_map_update_elem(&gr_apart, whose, &no_durations, BPF_NOEXIST);
		h = bpf_map_lookup_elem(&gr_apart, whose);
	}
	if (h)
		hist_add(h, ns);
	else
		count(GR_N_APART_FULL);
}

/* g.startpc, the last word of g_origin; 0 if it is not known. */
static __always_inline __u64 start_pc_of(__u64 g, const struct go_site *site)
{
	__u64 pc;

	if (!gr_cfg.origin_known || bpf_probe_read_user(&pc, sizeof(pc), (void *)(g + gr_cfg.g_origin + 24)))
		return 0;
	return pc - site->bias;
}

/*
 * The exit where only histograms are wanted. A goroutine whose first execution was not seen has no duration. It is not
 * passed over in silence: it is counted by its start function, and user space then sets a probe there.
 */
static __always_inline int exited_in_histogram(__u32 process, __u64 g, const struct go_site *site,
					       struct alive_life *life, __u64 now)
{
	__u64 started = life ? life->started_ns : 0;
	struct gr_whose of;

	if (life)
		alive_forget(process, g, life);
	if (started) {
		of = whose(gr_cfg.by_fn ? start_pc_of(g, site) : 0, process);
		add_duration(&of, now - started);
		return 0;
	}
	of = whose(start_pc_of(g, site), process);
	if (count_at(&gr_unseen, &of))
		count(GR_N_UNSEEN_FULL);
	return 0;
}

/*
 * At runtime.goexit0(gp) up to Go 1.21, runtime.gdestroy(gp) since (runtime/proc.go; coroexit needs it too): on g0,
 * with gp still whole. Both clear it and put it among the free ones, for the next newproc1 to take: not before this
 * program is over, so the place that is forgotten here is never one that a new goroutine has.
 *
 * Not at runtime.goexit1, which is on the goroutine's own stack and is not passed by a coroutine that ends.
 */
GO_PROBE(gr_exit, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx);
	struct alive_life *life;
	struct gr_exit *e;

	life = alive_find(process, g);
	if (gr_cfg.seq)
		return exited_in_histogram(process, g, site, life, now);

	count(GR_N_EXITED);
	e = bpf_ringbuf_reserve(&gr_events, sizeof(*e), 0);
	if (!e) {
		count(GR_N_LOST_EXIT);
	} else {
		e->event.time_ns = now;
		e->event.process = process;
		e->event.p = p_of(GO_G(ctx));
		e->event.kind = GR_EXIT;
		e->event.known = 0;
		e->created_ns = 0;
		e->started_ns = 0;
		if (life) {
			e->created_ns = life->created_ns;
			e->started_ns = life->started_ns;
			e->event.known =
				(life->created_ns ? GR_KNOWS_CREATION : 0) | (life->started_ns ? GR_KNOWS_START : 0);
		}
		if (life && life->goid) {
			e->event.goid = life->goid;
			e->event.start_pc = life->start_pc;
			e->event.created_pc = life->created_pc;
			e->event.of.creator = life->creator;
			bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
		} else if (describe(&e->event, g, site)) {
			count(GR_N_UNREADABLE);
			bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		} else {
			if (!gr_cfg.has_parent && life)
				e->event.of.creator = life->creator;
			bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
		}
	}
	if (life)
		alive_forget(process, g, life);
	return 0;
}
