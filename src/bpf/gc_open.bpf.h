/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Stops, cycles and sweeps that have begun in a process and not ended; and what is counted of all. */
#ifndef __GC_OPEN_BPF_H
#define __GC_OPEN_BPF_H

#include "go.bpf.h"
#include "gc.h"

const volatile struct gc_config gc_cfg = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10); /* set by user space */
} gc_events SEC(".maps");

/* A stop of the world that has not ended. */
struct gc_open_stw {
	__u64 begin_ns; /* 0: there is none */
	__u64 stopped_ns;
	__u8 why;
	__u8 text_len;
	char text[GC_REASON_SIZE];
	__u8 unused[6]; /* old verifiers want every byte of a map value written */
};

/* A cycle that has not ended: what the runtime does not write into its record. */
struct gc_open_cycle {
	__u8 seen; /* its beginning */
	__u8 trigger;
	__u8 flags;
	__u8 unused[5];
};

/* What has begun in a process and not ended. */
struct gc_open {
	struct gc_open_stw stop;
	struct gc_open_cycle cycle;
};

/*
 * User space takes away those of processes that have ended. Nobody is then at work on them: the programs run in the
 * process itself.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32); /* process id */
	__type(value, struct gc_open);
} gc_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GC_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} gc_counters SEC(".maps");

/* The same where only one process is observed: no map is as near. */
static struct gc_open gc_only;

static struct gc_open gc_nothing; /* all zero: the first value of an entry of gc_processes */

/* These make the skeleton emit the types. */
struct gc_stw _gc_stw = {};
struct gc_cycle _gc_cycle = {};
struct gc_sweep _gc_sweep = {};
enum gc_kind _gc_kind = GC_STW;
enum gc_reason _gc_reason = GC_REASON_UNKNOWN;
enum gc_trigger _gc_trigger = GC_TRIGGER_UNKNOWN;
enum gc_flag _gc_flag = GC_LEAK_CHECK;
enum gc_forced _gc_forced = GC_NOT_FORCED;
enum gc_sweepers _gc_sweepers = GC_SWEEPERS_UNKNOWN;
enum gc_counter _gc_counter = GC_N_STW;
enum gc_start_args _gc_start_args = GC_START_NOTHING;
enum gc_stop_args _gc_stop_args = GC_STOP_NOTHING;

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&gc_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* What is open in a process; 0 if nothing was begun there. */
static __always_inline struct gc_open *open_in(__u32 process)
{
	return gc_cfg.one_process ? &gc_only : bpf_map_lookup_elem(&gc_processes, &process);
}

/*
 * The same where something begins; 0 if there is no room, which is counted. Two that begin at once, a stop and a cycle,
 * may both find nothing: BPF_NOEXIST lets one of them make the entry, and both use it.
 */
static __always_inline struct gc_open *begin_in(__u32 process)
{
	struct gc_open *open = open_in(process);

	if (open)
		return open;
	bpf_map_update_elem(&gc_processes, &process, &gc_nothing, BPF_NOEXIST);
	open = open_in(process);
	if (!open)
		count(GC_N_MAP_FULL);
	return open;
}

#endif
