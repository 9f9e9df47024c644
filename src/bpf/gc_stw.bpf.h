/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs at stops of the world. */
#ifndef __GC_STW_BPF_H
#define __GC_STW_BPF_H

#include "gc_open.bpf.h"
#include "gc_record.bpf.h"

static __always_inline __u8 reason_number(__u64 reason)
{
	/* stwReason is a uint8 of about 20 values; the rest of the register is undefined. */
	__u8 number = reason;

	return number > 255 - GC_REASON_NUMBER ? GC_REASON_UNKNOWN : number + GC_REASON_NUMBER;
}

/*
 * Up to Go 1.20 the one who stops the world leaves its reason in getg().m.preemptoff (runtime/proc.go, stopTheWorld;
 * runtime/mgc.go, gcMarkTermination), a string. Nobody else writes it while he is at it: it is his thread's.
 */
static __always_inline void read_preemptoff(__u64 g, struct gc_open_stw *stw)
{
	struct {
		__u64 data;
		__u64 len;
	} text;
	__u64 m;

	if (!gc_cfg.preemptoff_known || bpf_probe_read_user(&m, sizeof(m), (void *)(g + gc_cfg.g_m)) ||
	    bpf_probe_read_user(&text, sizeof(text), (void *)(m + gc_cfg.m_preemptoff)) || text.len > GC_REASON_SIZE)
		return;
	/* Always the whole field, cut by user space: string data lies among other string data. */
	if (text.len && bpf_probe_read_user(stw->text, sizeof(stw->text), (void *)text.data))
		return;
	stw->why = GC_REASON_TEXT;
	stw->text_len = text.len;
}

/*
 * runtime.stopTheWorldWithSema (runtime/proc.go; without arguments in Go 1.19 and 1.20, (reason stwReason) since 1.21).
 * Every stop comes through here, also the collector's own. Used up to Go 1.22; later versions tell all of it at the end
 * (gc_stw_ending), and one probe fewer is in the way of a world that is about to stop.
 */
GO_PROBE(gc_stw_begin, ctx, process, site)
{
	struct gc_open_stw stw = { .begin_ns = bpf_ktime_get_ns() };
	struct gc_open *open;

	if (gc_cfg.stop_args == GC_STOP_REASON)
		stw.why = reason_number(GO_ARG0(ctx));
	else
		read_preemptoff(GO_G(ctx), &stw);
	open = begin_in(process);
	if (open)
		open->stop = stw;
	return 0;
}

/*
 * Before runtime.stopTheWorldWithSema returns: used up to Go 1.22. The world stands, and the only goroutine that runs
 * is the one whose stop this is. If its beginning was not seen, nothing is open, or begin_ns is 0 there, and gc_stw_end
 * says nothing of it.
 */
GO_PROBE(gc_stw_stopped, ctx, process, site)
{
	struct gc_open *open;

	open = open_in(process);
	if (open)
		open->stop.stopped_ns = bpf_ktime_get_ns();
	return 0;
}

/*
 * runtime.startTheWorldWithSema(now, worldStop{reason, start}) of Go 1.22, (now, worldStop{reason, startedStopping,
 * finishedStopping, stoppingCPUTime}) since Go 1.23 (runtime/proc.go): what the runtime itself took down. The words of
 * the structure are in argument registers of their own. It stands at the beginning, where they still are, and
 * gc_stw_end, where the world runs, finds them here.
 */
GO_PROBE(gc_stw_ending, ctx, process, site)
{
	struct gc_open_stw stw = {};
	struct gc_open *open;

	stw.why = reason_number(GO_ARG1(ctx));
	stw.begin_ns = GO_ARG2(ctx);
	open = begin_in(process);
	if (!open)
		return 0;
	if (gc_cfg.start_args == GC_START_REASON_BEGIN_STOPPED)
		stw.stopped_ns = GO_ARG3(ctx);
	else if (open->stop.stopped_ns > stw.begin_ns)
		stw.stopped_ns = open->stop.stopped_ns;
	open->stop = stw;
	return 0;
}

/*
 * `call runtime.wakep` in runtime.startTheWorldWithSema (runtime/proc.go, Go 1.19 to 1.27): every P that has work runs
 * again, and the thread of the stop has still not left worldsema to the next. The runtime's own time of this moment
 * (`now` since Go 1.22) is not taken: the collector passes one that it has read before.
 */
GO_PROBE(gc_stw_end, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 cycle = 0;
	struct gc_open *open;
	struct gc_stw *e;

	open = open_in(process);
	/* It began before we came, or is counted as GC_N_MAP_FULL. */
	if (!open || !open->stop.begin_ns)
		return 0;
	count(GC_N_STW);
	e = bpf_ringbuf_reserve(&gc_events, sizeof(*e), 0);
	if (!e) {
		count(GC_N_LOST_STW);
	} else {
		if (gc_cfg.at.cycles &&
		    bpf_probe_read_user(&cycle, sizeof(cycle), (void *)(site->bias + gc_cfg.at.cycles)))
			cycle = 0;
		e->head.process = process;
		e->head.kind = GC_STW;
		e->head.why = open->stop.why;
		e->head.text_len = open->stop.text_len;
		e->head.flags = 0;
		e->begin_ns = open->stop.begin_ns;
		e->stopped_ns = open->stop.stopped_ns;
		e->end_ns = now;
		e->cycle = cycle;
		__builtin_memcpy(e->text, open->stop.text, sizeof(e->text));
		bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	}
	open->stop.begin_ns = 0;
	return 0;
}

#endif
