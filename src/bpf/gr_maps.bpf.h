/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Where the programs of gr.bpf.c put what they see. */
#ifndef __GR_MAPS_BPF_H
#define __GR_MAPS_BPF_H

#include "go.bpf.h"
#include "hist.bpf.h"
#include "gr.h"

static __always_inline void gr_clear(struct alive_life *life)
{
	life->created_ns = 0;
	life->started_ns = 0;
	life->creator = 0;
	life->goid = 0;
}

#define ALIVE_CLEAR gr_clear
#include "alive.bpf.h"

const volatile struct gr_config gr_cfg = {};

/*
 * Everything goes in without waking the reader (BPF_RB_NO_WAKEUP), which looks every few milliseconds: a wake-up at
 * each record would make a hit two or three times as dear for the program that is observed. Where there is no room the
 * record is lost, and counted by its kind.
 */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20); /* set by user space */
} gr_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GR_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} gr_counters SEC(".maps");

/* Running times of all goroutines together. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hist);
} gr_total SEC(".maps");

/* Running times told apart, by start function or by process; filled only if that is wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by user space */
	__type(key, struct gr_whose);
	__type(value, struct hist);
} gr_apart SEC(".maps");

/* Exits whose first execution was not seen, by start function: how user space learns of start functions that no
 * `go` statement names. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct gr_whose); /* the start function always */
	__type(value, __u64);
} gr_unseen SEC(".maps");

/* Direct calls of start functions, by site: how user space finds those too hot to keep. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* link-time address of the site */
	__type(value, __u64);
} gr_direct SEC(".maps");

static struct hist no_durations; /* all zero: the first value of an entry of gr_apart */

/* These make the skeleton emit the types. */
struct gr_exit _gr_exit = {};
enum gr_kind _gr_kind = GR_CREATE;
enum gr_known _gr_known = GR_KNOWS_START;
enum gr_counter _gr_counter = GR_N_CREATED;
enum gr_p _gr_p = GR_NO_P;
enum alive_limits _alive_limits = ALIVE_WAYS;

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&gr_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* Counts in a hash map; -1 if there is no room for the key. */
static __always_inline int count_at(void *map, const void *key)
{
	__u64 none = 0, *n = bpf_map_lookup_elem(map, key);

	if (!n) {
		/* Another CPU may do the same: one of them makes the entry, and both add to it. */
		bpf_map_update_elem(map, key, &none, BPF_NOEXIST);
		n = bpf_map_lookup_elem(map, key);
	}
	if (!n)
		return -1;
	__sync_fetch_and_add(n, 1);
	return 0;
}

#endif
