/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What gc.bpf.c and user space share: records, counters, configuration. Fixed widths, no hidden padding. */
#ifndef __GC_H
#define __GC_H

enum gc_kind {
	GC_STW = 1, /* struct gc_stw */
	GC_CYCLE = 2, /* struct gc_cycle */
	/* struct gc_sweep: */
	GC_SWEEP_DRAINED = 3, /* no span is left to sweep */
	GC_SWEEP_FLUSHED = 4, /* the collector itself no longer counts as a sweeper */
	GC_SWEEP_PARKED = 5, /* the background sweeper found the sweep done */
	GC_SWEEP_DONE = 6, /* no span is left and no sweeper is at work */
};

/* Every record begins with this. Times are CLOCK_MONOTONIC in ns. */
struct gc_head {
	__u32 process;
	__u8 kind; /* enum gc_kind */
	/* GC_STW: enum gc_reason, or the runtime's stwReason plus GC_REASON_NUMBER. GC_CYCLE: enum gc_trigger,
	 * or the runtime's gcTriggerKind plus GC_TRIGGER_NUMBER. */
	__u8 why;
	__u8 text_len; /* GC_STW with GC_REASON_TEXT */
	__u8 flags; /* enum gc_flag */
};

enum gc_reason {
	GC_REASON_UNKNOWN = 0,
	GC_REASON_TEXT = 1, /* Go up to 1.20: the text stands in the record */
	GC_REASON_NUMBER = 2,
};

enum gc_limits {
	GC_REASON_SIZE = 24, /* longest text of Go 1.18 to 1.20: 20 bytes */
};

enum gc_trigger {
	GC_TRIGGER_UNKNOWN = 0,
	GC_TRIGGER_NUMBER = 1,
};

enum gc_flag {
	GC_LEAK_CHECK = 1, /* GC_CYCLE: the cycle also looked for leaked goroutines */
};

enum gc_forced {
	GC_NOT_FORCED = 0,
	GC_FORCED = 1,
	GC_FORCED_UNKNOWN = 2,
};

struct gc_stw {
	struct gc_head head;
	__u64 begin_ns;
	__u64 stopped_ns; /* 0: not seen */
	__u64 end_ns;
	__u64 cycle; /* work.cycles at the end; 0: not known */
	char text[GC_REASON_SIZE];
};

/* Fields of runtime.work, runtime.gcController and runtime.memstats, as read. */
struct gc_cycle {
	struct gc_head head;
	__u32 cycle;
	__u32 stw_procs;
	__u32 max_procs;
	__u32 forced; /* enum gc_forced */
	__u64 sweep_term_ns;
	__u64 mark_ns;
	__u64 mark_term_ns;
	__u64 end_ns;
	__u64 pause_ns;
	__u64 heap_before;
	__u64 heap_at_end;
	__u64 heap_after;
	__u64 heap_goal;
	__u64 stack_bytes;
	__u64 globals_bytes;
	__u64 assist_ns;
	__u64 dedicated_ns;
	__u64 fractional_ns;
	__u64 idle_ns;
	__u64 cpu_fraction;
	__u64 init_ns;
};

struct gc_sweep {
	struct gc_head head;
	__u64 at_ns;
	__u64 sweep_term_ns;
	__u64 mark_term_ns;
	__u64 end_ns;
	__u32 cycle;
	__u32 sweepers; /* still at work, the one that was seen not counted; GC_SWEEPERS_UNKNOWN */
};

enum gc_sweepers {
	GC_SWEEPERS_UNKNOWN = 0xffffffff,
};

/* Counters, one array slot each, summed over CPUs by user space. */
enum gc_counter {
	GC_N_STW, /* stops that ended, lost ones included; likewise below */
	GC_N_CYCLE,
	GC_N_SWEEP,
	GC_N_LOST_STW, /* ring buffer full */
	GC_N_LOST_CYCLE,
	GC_N_LOST_SWEEP,
	GC_N_MAP_FULL, /* no room to remember how a stop or cycle began */
	GC_N_UNREADABLE_CYCLE, /* the runtime's record could not be read */
	GC_N_UNREADABLE_SWEEP,
	GC_N_COUNTERS,
};

/* What runtime.startTheWorldWithSema is passed after `now`. */
enum gc_start_args {
	GC_START_NOTHING = 0, /* up to Go 1.21 */
	GC_START_REASON_BEGIN = 1, /* Go 1.22: worldStop{reason, start} */
	GC_START_REASON_BEGIN_STOPPED = 2, /* since Go 1.23: worldStop{reason, startedStopping, finishedStopping, ..} */
};

/* What runtime.stopTheWorldWithSema is passed. */
enum gc_stop_args {
	GC_STOP_NOTHING = 0, /* up to Go 1.20; the reason is in m.preemptoff */
	GC_STOP_REASON = 1, /* since Go 1.21 */
};

/* Link-time addresses of the fields, 0 where unknown. */
struct gc_fields {
	__u64 cycles; /* runtime.work, u32 */
	__u64 stw_procs; /* i32 */
	__u64 max_procs; /* i32 */
	__u64 user_forced; /* bool */
	__u64 sweep_term_ns;
	__u64 mark_ns;
	__u64 mark_term_ns;
	__u64 end_ns;
	__u64 pause_ns;
	__u64 heap_before;
	__u64 heap_at_end;
	__u64 heap_after;
	__u64 heap_goal; /* runtime.gcController */
	__u64 stack_bytes;
	__u64 globals_bytes;
	__u64 assist_ns;
	__u64 dedicated_ns;
	__u64 fractional_ns;
	__u64 idle_ns;
	__u64 numgc; /* runtime.memstats, u32 */
	__u64 cpu_fraction; /* float64 */
	__u64 init_ns; /* runtime.runtimeInitTime */
	__u64 sweepers; /* runtime.sweep.active.state, u32 */
};

struct gc_config {
	struct gc_fields at;
	__u32 g_m; /* offsets; only up to Go 1.20 */
	__u32 m_preemptoff;
	__u32 drained_mask; /* the bit of `sweepers` that is no part of the number */
	__u8 preemptoff_known;
	__u8 start_args; /* enum gc_start_args */
	__u8 stop_args; /* enum gc_stop_args */
	__u8 end_is_flush; /* the site of gc_cycle_end is also that of GC_SWEEP_FLUSHED, and both are wanted */
	__u8 one_process; /* no other is observed */
	__u8 unused[7];
};

_Static_assert(sizeof(struct gc_head) == 8, "wire format");
_Static_assert(sizeof(struct gc_stw) == 64, "wire format");
_Static_assert(sizeof(struct gc_cycle) == 160, "wire format");
_Static_assert(sizeof(struct gc_sweep) == 48, "wire format");
_Static_assert(sizeof(struct gc_config) == 208, "shared with user space");

#endif
