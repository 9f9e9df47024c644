/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What sched.bpf.c and user space share. Fixed widths, no hidden padding. */
#ifndef __SCHED_H
#define __SCHED_H

#include "alive.h"
#include "hist.h"

/* What a goroutine does. */
enum sched_state {
	SCHED_UNKNOWN = 0, /* a place just taken */
	SCHED_RUNNING = 1,
	SCHED_RUNNABLE = 2,
	SCHED_SYSCALL = 3,
	SCHED_WAITING = 4, /* for a reason */
	SCHED_GONE = 5, /* it was there before us and has ended */
};

/* Slots of times: the states, then waiting by reason, the runtime's numbers. */
enum sched_slot {
	SCHED_SLOT_WAITING = 3,
	SCHED_SLOTS = 64, /* a power of two; reasons that do not fit share the last one */
	SCHED_CLASSES = 2, /* goroutines of the program, goroutines of the runtime */
};

enum sched_flag {
	/* It was there before the gate was opened. Its place is never given up: that there is none says that a
	 * goroutine has not changed its state. */
	SCHED_ELDER = 1,
	SCHED_SYSTEM = 2, /* it belongs to the runtime */
};

/* A goroutine alive (alive.bpf.h). */
struct alive_life {
	__u64 name; /* process and g in one word; 0: the place is free, or in the map of the overflow */
	__u64 since_ns; /* when the state began, CLOCK_MONOTONIC */
	__u64 start_pc; /* link-time entry of its start function; 0: unknown */
	__u64 stack; /* waiting, with sched_cfg.stacks: key in sched_stacks; 0: unknown */
	__u8 state; /* enum sched_state */
	__u8 reason; /* waiting: the runtime's number */
	__u8 flags; /* enum sched_flag */
	__u8 unused[21];
	__u64 beside; /* first place of a bucket: how many others are taken, or more (alive.bpf.h) */
};

/* Times in one state. */
struct sched_times {
	struct hist whole; /* beginning and end were seen */
	__u64 cut; /* the beginning was before the gate was opened */
	__u64 cut_ns; /* their sum since then */
	__u64 cut_max_ns;
};

/* Whose times, and of what. */
struct sched_whose {
	__u64 start_pc; /* 0: of all, or unknown */
	__u32 process; /* 0: of all */
	__u32 slot; /* with the class: slot_of */
};

enum sched_statuses {
	SCHED_STATUSES = 16, /* by the runtime's numbers; there are 12, others mean nothing */
	SCHED_STATE_BITS = 4,
};

enum sched_depth {
	SCHED_DEPTH = 24, /* frames of a stack */
};

/* A stack, innermost first; link-time addresses. */
struct sched_stack {
	__u64 check; /* another hash than its key */
	__u32 frames;
	__u32 deeper; /* it goes on */
	__u64 pc[SCHED_DEPTH];
};

struct sched_block_key {
	__u64 stack;
	__u32 process; /* 0: of all */
	__u32 slot; /* with the class */
};

struct sched_block {
	__u64 count;
	__u64 sum_ns;
	__u64 max_ns;
};

/* Counters, one array slot each, summed over CPUs by user space. */
enum sched_counter {
	SCHED_N_MAP_FULL, /* no room to remember a goroutine */
	SCHED_N_APART_FULL, /* no room for another start function's or process's times: they are in the total only */
	SCHED_N_UNREADABLE, /* g could not be read */
	SCHED_N_STACK_FULL, /* no room for another stack */
	SCHED_N_STACK_CLASH, /* another stack has the same key */
	SCHED_N_STACK_UNREADABLE,
	SCHED_N_BLOCK_FULL, /* no room for another stack's times */
	SCHED_N_IMAGE_FULL, /* no room to remember that a process has begun another program */
	SCHED_N_CALLER_UNREADABLE, /* who changes a state could not be read, so the change may be taken for another */
	SCHED_N_COUNTERS,
};

struct sched_config {
	/* Link-time addresses of code, first and behind the last byte; 0: there is no such function. */
	__u64 park_begin;
	__u64 park_end;
	__u64 no_p_begin; /* runtime.exitsyscallNoP */
	__u64 no_p_end;
	__u64 main_entry; /* runtime.main; 0: unknown */
	/*
	 * What a goroutine does by its g.atomicstatus, SCHED_STATE_BITS for each, the first lowest: enum sched_state,
	 * SCHED_GONE where there is none. One word, for the verifier knows a constant, but not what stands in a table
	 * at some index.
	 */
	__u64 states;
	__u32 g_startpc; /* offsets */
	__u32 g_waitreason;
	__u32 g_sched_pc;
	__u32 g_sched_bp;
	__u32 g_coroarg;
	__u32 coro_gp;
	__u32 sample; /* one of so many goroutines is looked at */
	__u8 framed; /* at the site of sched_status the frame is set up */
	__u8 park_indirect; /* what parks is the caller's caller */
	__u8 by_fn; /* times by start function */
	__u8 stacks; /* where goroutines block */
	__u8 preempted; /* reasons' numbers */
	__u8 coroutine;
	__u8 by_process; /* times by process */
	__u8 unused[5];
};

_Static_assert(sizeof(struct alive_life) == ALIVE_SIZE, "shared with user space");
_Static_assert(sizeof(struct sched_times) == sizeof(struct hist) + 24, "shared with user space");
_Static_assert(sizeof(struct sched_whose) == 16, "shared with user space");
_Static_assert(sizeof(struct sched_stack) == 16 + 8 * SCHED_DEPTH, "shared with user space");
_Static_assert(sizeof(struct sched_block_key) == 16, "shared with user space");
_Static_assert(sizeof(struct sched_block) == 24, "shared with user space");
_Static_assert(sizeof(struct sched_config) == 88, "shared with user space");

#endif
