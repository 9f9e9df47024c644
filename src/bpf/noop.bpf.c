// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Nothing at all: what a hit costs at the least. Everything else is measured against it. And nothing within what is
 * around the work of every program here: what a hit costs before and after the time that programs take of themselves.
 */
#include "go.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe.multi") int empty(void *ctx)
{
	return 0;
}

SEC("uprobe") int empty_perf(void *ctx)
{
	return 0;
}

static __always_inline int nothing(void *ctx)
{
	return 0;
}

GO_PROGRAMS(framed, nothing)
