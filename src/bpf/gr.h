/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What gr.bpf.c and user space share: records, counters, configuration. Fixed widths, no hidden padding. */
#ifndef __GR_H
#define __GR_H

#include "alive.h"
#include "hist.h"

enum gr_kind {
	GR_CREATE = 1,
	GR_EXIT = 2,
	GR_PUT_GLOBAL = 3,
	GR_GET_GLOBAL = 4,
	GR_STEAL = 5,
	GR_IMAGE = 6, /* runtime.main begins: a new program image in this process */
};

union gr_of {
	__u64 creator; /* create and exit: goid of the creator; 0 if unknown */
	__u64 moved; /* queue events: how many goroutines */
};

/* The first half of every record. All code addresses are link-time addresses: the load bias is taken off. */
struct gr_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 goid; /* queue events: goid of the goroutine put, 0 if there is none */
	__u64 start_pc; /* entry of the start function; 0 if unknown */
	__u64 created_pc; /* return address of the creating call (g.gopc) */
	union gr_of of;
	__u32 process;
	__u16 p; /* id of the P on which it happened; GR_NO_P if there was none */
	__u8 kind; /* enum gr_kind */
	__u8 known; /* exit: enum gr_known */
};

enum gr_known {
	GR_KNOWS_CREATION = 1,
	GR_KNOWS_START = 2,
};

enum gr_p {
	GR_NO_P = 0xffff,
};

/* GR_EXIT carries these besides. */
struct gr_exit {
	struct gr_event event;
	__u64 created_ns; /* valid with GR_KNOWS_CREATION */
	__u64 started_ns; /* valid with GR_KNOWS_START */
};

/* A goroutine alive (alive.bpf.h). */
struct alive_life {
	__u64 name; /* process and g in one word; 0: the place is free, or in the map of the overflow */
	__u64 created_ns; /* 0: not seen */
	__u64 started_ns; /* 0: not seen */
	__u64 creator; /* goid; 0 if unknown. Where the creation was seen, so were the next three */
	__u64 goid;
	__u64 start_pc;
	__u64 created_pc;
	__u64 beside; /* first place of a bucket: how many others are taken, or more (alive.bpf.h) */
};

/* Whose a histogram or a count is. */
struct gr_whose {
	__u64 start_pc; /* link-time entry of the start function; 0: all, or unknown */
	__u32 process; /* 0: all */
	__u32 unused;
};

/* Counters, one array slot each, summed over CPUs by user space. */
enum gr_counter {
	GR_N_CREATED,
	GR_N_EXITED, /* with records only */
	GR_N_LOST_CREATE, /* ring buffer full */
	GR_N_LOST_EXIT,
	GR_N_LOST_QUEUE,
	GR_N_LOST_IMAGE,
	GR_N_MAP_FULL, /* no room to remember a goroutine that begins to run */
	GR_N_CREATE_MAP_FULL, /* the same of one that is created */
	GR_N_UNREADABLE, /* g could not be read */
	GR_N_APART_FULL, /* no room for the histogram of another start function, or of another process */
	GR_N_UNSEEN_FULL, /* no room for another start function whose first execution was not seen */
	GR_N_COUNTERS,
};

struct gr_config {
	__u64 main_site; /* link-time address of the site in runtime.main */
	__u64 goexit; /* that of runtime.goexit */
	__u32 g_goid; /* offsets into g, m and p */
	__u32 g_m;
	__u32 g_origin; /* parentGoid (from Go 1.21 on), gopc, ancestors, startpc: consecutive words */
	__u32 m_p;
	__u32 m_curg;
	__u32 p_id;
	__u8 origin_known;
	__u8 has_parent; /* the first word of g_origin is parentGoid */
	__u8 seq; /* only histograms: no records but GR_IMAGE */
	__u8 by_fn; /* histograms by start function too */
	__u8 by_process; /* by process too */
	__u8 unused[3];
};

_Static_assert(sizeof(struct gr_event) == 48, "wire format");
_Static_assert(sizeof(struct gr_exit) == 64, "wire format");
_Static_assert(sizeof(struct gr_whose) == 16, "shared with user space");
_Static_assert(sizeof(struct gr_config) == 48, "shared with user space");

#endif
