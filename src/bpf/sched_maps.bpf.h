/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the programs of sched.bpf.c keep, and where. */
#ifndef __SCHED_MAPS_BPF_H
#define __SCHED_MAPS_BPF_H

#include "go.bpf.h"
#include "hist.bpf.h"
#include "sched.h"

static __always_inline void sched_clear(struct alive_life *life)
{
	life->state = SCHED_UNKNOWN;
	life->flags = 0;
	life->stack = 0;
}

#define ALIVE_CLEAR sched_clear
#include "alive.bpf.h"

const volatile struct sched_config sched_cfg = {};

/* When the gate was opened, CLOCK_MONOTONIC in ns. */
volatile __u64 sched_begin_ns = 0;

/* A goroutine could not be remembered: from now on, one of which nothing is known need not be older than the gate. */
volatile __u32 sched_was_full = 0;

/* Times by class and slot. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCHED_CLASSES *SCHED_SLOTS);
	__type(key, __u32);
	__type(value, struct sched_times);
} sched_totals SEC(".maps");

/* Times told apart, by start function or by process; where that is wanted they are here instead. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by user space */
	__type(key, struct sched_whose);
	__type(value, struct sched_times);
} sched_apart SEC(".maps");

/* Start functions of the runtime's own goroutines, by link-time entry. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u8);
} sched_system SEC(".maps");

/*
 * When a process began its present program, if it has begun one since the gate was opened. User space takes away those
 * of processes that have ended.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} sched_images SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by user space; so are those of the next */
	__type(key, __u64);
	__type(value, struct sched_stack);
} sched_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sched_block_key);
	__type(value, struct sched_block);
} sched_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCHED_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} sched_counters SEC(".maps");

static struct sched_times no_times; /* all zero: the first value of an entry of sched_apart */

/* These make the skeleton emit the types. */
enum sched_state _sched_state = SCHED_RUNNING;
enum sched_slot _sched_slot = SCHED_SLOTS;
enum sched_flag _sched_flag = SCHED_ELDER;
enum sched_counter _sched_counter = SCHED_N_MAP_FULL;
enum sched_statuses _sched_statuses = SCHED_STATUSES;
enum go_gate_position _go_gate_position = GO_GATE_CLOSED;

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&sched_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
}

#endif
