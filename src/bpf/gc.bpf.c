// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Garbage collection: every stop of the world, the runtime's record of each cycle, the end of each sweep.
 *
 * Nothing here runs more than a few times per cycle. The phases are not timed by probes: the runtime takes the times
 * itself (runtime.work), and bpf_ktime_get_ns() is the same clock as its nanotime().
 *
 * In a process two semaphores of the runtime keep order (runtime/proc.go, stopTheWorld; runtime/mgc.go, gcStart to
 * gcMarkTermination; Go 1.19 to 1.27). Whoever stops the world holds worldsema until it runs again, so there is one
 * stop at a time; the collector holds gcsema, so there is one cycle whose record is not complete. The programs that
 * begin and end one may run on different CPUs, but never at once. So what is open is written without any atomic
 * instruction. A stop and a cycle of one process can be written at the same time; they are different words.
 *
 * Where probes stand in the runtime is decided in src/go/site/gc.rs and events.rs, which programs are used in
 * src/probe/gc/plan.rs.
 */
#include "gc_open.bpf.h"
#include "gc_record.bpf.h"
#include "gc_stw.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * One of the moments by which user space knows when a sweep was over (src/model/gc/sweep.rs). The record that goes with
 * it is that of the cycle the sweep belongs to, unless this sweeper was held up until the next cycle had begun. That
 * shows in the record itself: gcStart writes tSweepTerm before it counts the cycle (runtime/mgc.go, Go 1.19 to 1.27),
 * and it is then later than tEnd.
 */
static __always_inline int sweep_moment(__u32 process, const struct go_site *site, __u8 kind)
{
	__u64 bias = site->bias;
	struct gc_record record;
	struct gc_sweep *e;

	count(GC_N_SWEEP);
	e = bpf_ringbuf_reserve(&gc_events, sizeof(*e), 0);
	if (!e) {
		count(GC_N_LOST_SWEEP);
		return 0;
	}
	e->head.process = process;
	e->head.kind = kind;
	e->head.why = 0;
	e->head.text_len = 0;
	e->head.flags = 0;
	e->sweepers = sweepers_left(bias);
	/* Not before: when nobody was at work, the sweep was over by now. */
	e->at_ns = bpf_ktime_get_ns();
	if (read_record(&record, bias) || TAKE(&e->cycle, cycles, &record, bias) ||
	    TAKE(&e->sweep_term_ns, sweep_term_ns, &record, bias) ||
	    TAKE(&e->mark_term_ns, mark_term_ns, &record, bias) || TAKE(&e->end_ns, end_ns, &record, bias)) {
		count(GC_N_UNREADABLE_SWEEP);
		bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		return 0;
	}
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

/* ---- cycles ---- */

/*
 * runtime.(*gcControllerState).startCycle(c, markStartTime, procs, trigger{kind, now, n}) (runtime/mgcpacer.go, Go 1.19
 * to 1.27): once per cycle, from gcStart, while the world stands. It is the last place where the trigger is an
 * argument: the record says only whether it was forced. The kind is of the runtime's numbers; src/go/site/gc.rs says
 * what they mean.
 */
GO_PROBE(gc_cycle_begin, ctx, process, site)
{
	__u32 kind = GO_ARG3(ctx);
	struct gc_open *open;

	open = begin_in(process);
	if (!open)
		return 0;
	open->cycle.seen = 1;
	open->cycle.trigger = kind <= 255 - GC_TRIGGER_NUMBER ? kind + GC_TRIGGER_NUMBER : GC_TRIGGER_UNKNOWN;
	open->cycle.flags = 0;
	return 0;
}

/*
 * runtime.findGoroutineLeaks (runtime/mgc.go, gcMarkDone, since Go 1.26): at least once in a cycle that also looks for
 * leaked goroutines, never in another; on the thread that holds the cycle. That a cycle did so stands in
 * work.goroutineLeak.done, which is cleared before the record is complete.
 */
GO_PROBE(gc_leak_check, ctx, process, site)
{
	struct gc_open *open;

	open = begin_in(process);
	if (!open)
		return 0;
	if (!open->cycle.seen)
		open->cycle.trigger = GC_TRIGGER_UNKNOWN;
	open->cycle.seen = 1;
	open->cycle.flags |= GC_LEAK_CHECK;
	return 0;
}

static __always_inline int read_cycle(struct gc_cycle *e, __u64 bias)
{
	struct gc_record record;
	__u8 forced;

	if (read_record(&record, bias) || TAKE(&e->stw_procs, stw_procs, &record, bias) ||
	    TAKE(&e->max_procs, max_procs, &record, bias) || TAKE(&e->sweep_term_ns, sweep_term_ns, &record, bias) ||
	    TAKE(&e->mark_ns, mark_ns, &record, bias) || TAKE(&e->mark_term_ns, mark_term_ns, &record, bias) ||
	    TAKE(&e->end_ns, end_ns, &record, bias) || TAKE(&e->pause_ns, pause_ns, &record, bias) ||
	    TAKE(&e->heap_before, heap_before, &record, bias) || TAKE(&e->heap_at_end, heap_at_end, &record, bias) ||
	    TAKE(&e->heap_after, heap_after, &record, bias) || READ(&e->cycle, numgc, bias) ||
	    READ(&e->heap_goal, heap_goal, bias) || READ(&e->stack_bytes, stack_bytes, bias) ||
	    READ(&e->globals_bytes, globals_bytes, bias) || READ(&e->assist_ns, assist_ns, bias) ||
	    READ(&e->dedicated_ns, dedicated_ns, bias) || READ(&e->fractional_ns, fractional_ns, bias) ||
	    READ(&e->idle_ns, idle_ns, bias) || READ(&e->cpu_fraction, cpu_fraction, bias) ||
	    READ(&e->init_ns, init_ns, bias))
		return -1;
	e->forced = GC_FORCED_UNKNOWN;
	if (gc_cfg.at.user_forced) {
		if (READ(&forced, user_forced, bias))
			return -1;
		e->forced = forced ? GC_FORCED : GC_NOT_FORCED;
	}
	return 0;
}

/*
 * runtime.freeStackSpans (runtime/stack.go), which gcMarkTermination calls once per cycle (runtime/mgc.go, Go 1.19 to
 * 1.27): the world runs, the record is complete, and the next cycle cannot begin before this one releases worldsema: it
 * is read whole. Up to Go 1.20 the site is a little later, where gctrace is printed: until then the next cycle may
 * already have written its work.userForced (src/go/site/gc.rs, cycles).
 *
 * Mutator assists and idle workers are over by then; gcController is reset only by the next startCycle.
 */
GO_PROBE(gc_cycle_end, ctx, process, site)
{
	struct gc_open *open;
	struct gc_cycle *e;

	count(GC_N_CYCLE);
	open = open_in(process);
	if (open && !open->cycle.seen)
		open = 0;
	e = bpf_ringbuf_reserve(&gc_events, sizeof(*e), 0);
	if (!e) {
		count(GC_N_LOST_CYCLE);
	} else {
		e->head.process = process;
		e->head.kind = GC_CYCLE;
		e->head.why = open ? open->cycle.trigger : GC_TRIGGER_UNKNOWN;
		e->head.text_len = 0;
		e->head.flags = open ? open->cycle.flags : 0;
		if (read_cycle(e, site->bias)) {
			count(GC_N_UNREADABLE_CYCLE);
			bpf_ringbuf_discard(e, BPF_RB_NO_WAKEUP);
		} else {
			bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
		}
	}
	if (open) {
		open->cycle.seen = 0;
		open->cycle.flags = 0;
	}
	if (gc_cfg.end_is_flush)
		sweep_moment(process, site, GC_SWEEP_FLUSHED);
	return 0;
}

/* ---- sweeps ---- */

/*
 * In runtime.sweepone (runtime/mgcsweep.go, Go 1.19 to 1.24), on the branch that only the sweeper takes for whom
 * sweep.active.markDrained() was true: one per cycle finds that no span is left. It has signed off (sweep.active.end)
 * and is not among the sweepers any more; others may be busy with a last span each.
 */
GO_PROBE(gc_sweep_drained, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_DRAINED);
}

/*
 * In runtime.gcMarkTermination, after its `sweep.active.end(sl)` (runtime/mgc.go, Go 1.19 to 1.24): the collector
 * counts as a sweeper until every P's span cache is flushed. It still holds worldsema: the record is this cycle's.
 */
GO_PROBE(gc_sweep_flushed, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_FLUSHED);
}

/*
 * `call runtime.gopark` in runtime.bgsweep (runtime/mgcsweep.go, Go 1.19 to 1.24): the background sweeper goes to sleep
 * only when isSweepDone(). Nothing says how long that has been so: it is the upper bound where the moments before left
 * doubt.
 */
GO_PROBE(gc_sweep_parked, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_PARKED);
}

/*
 * In runtime.(*activeSweep).end (runtime/mgcsweep.go), at the call of gcCleanups.flush, which only the very last
 * sweeper makes: since Go 1.25. In older versions the branch compares the state before the decrement and is never
 * taken.
 */
GO_PROBE(gc_sweep_done, ctx, process, site)
{
	return sweep_moment(process, site, GC_SWEEP_DONE);
}
