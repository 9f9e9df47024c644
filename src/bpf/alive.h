/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What alive.bpf.h and user space share. */
#ifndef __ALIVE_H
#define __ALIVE_H

struct alive_key {
	__u64 g;
	__u64 process;
};

enum alive_limits {
	ALIVE_ADDRESS_BITS = 47, /* of user space, the lower half; Go's heap begins at 0xc000000000 everywhere */
	ALIVE_PROCESS_BITS = 22, /* PID_MAX_LIMIT, include/linux/threads.h */
	ALIVE_WAYS = 4,
	ALIVE_LEAST_BUCKETS = 32, /* 8 KiB / 256 B (alive.bpf.h) */
	ALIVE_SIZE = 64, /* bytes of a place */
};

#endif
