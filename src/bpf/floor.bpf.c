// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Nothing at all: what a hit costs at the least. Everything else is measured against it.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("uprobe.multi") int empty(void *ctx)
{
	return 0;
}

SEC("uprobe") int empty_perf(void *ctx)
{
	return 0;
}
