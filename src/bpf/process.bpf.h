/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Which process this is: by the number that the user of grtmon knows it by, and whether it is to be looked at.
 *
 * In the initial PID namespace that is the kernel's own number. In another one the kernel's numbers mean nothing to the
 * user, so the one that is valid there is looked up. All of that is decided by constants: where it is not needed the
 * verifier takes it out.
 */
#ifndef __PROCESS_BPF_H
#define __PROCESS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#include "config.h"

const volatile struct go_config go_config = {};

/* Set in the number of a process that is not in our PID namespace, where it has none: the rest is the kernel's. */
#define GO_OUTSIDE (1U << 31)

/* MAX_PID_NS_LEVEL, include/linux/pid_namespace.h. */
#define GO_NAMESPACE_LEVELS 32

/* As the kernel lays it out (include/linux/pid.h). */
struct go_upid {
	__s32 number;
	__u32 unused;
	__u64 namespace;
};

static __always_inline int go_kernel_word(void *to, __u32 size, __u64 address)
{
	return bpf_probe_read_kernel(to, size, (void *)address);
}

/* The number in our namespace of a process that lives in one below ours; 0 if it has none. */
static __always_inline __u32 go_process_below(void)
{
	__u64 task = bpf_get_current_task(), signal, pid;
	struct go_upid upid;
	__u32 i, level, ino;

	if (!go_config.namespace.task_signal ||
	    go_kernel_word(&signal, sizeof(signal), task + go_config.namespace.task_signal) ||
	    go_kernel_word(&pid, sizeof(pid), signal + go_config.namespace.signal_tgid) ||
	    go_kernel_word(&level, sizeof(level), pid + go_config.namespace.pid_level))
		return 0;
	for (i = 1; i < GO_NAMESPACE_LEVELS; i++) {
		if (i >= level ||
		    go_kernel_word(&upid, sizeof(upid), pid + go_config.namespace.pid_numbers + i * sizeof(upid)) ||
		    go_kernel_word(&ino, sizeof(ino), upid.namespace + go_config.namespace.namespace_ino))
			return 0;
		if (ino == go_config.namespace.ino)
			return upid.number;
	}
	return 0;
}

/* Not inline: it is called from many places, and seldom needed. */
static __noinline __u32 go_process_here(void)
{
	struct bpf_pidns_info in_namespace;
	__u32 number;

	if (!bpf_get_ns_current_pid_tgid(go_config.namespace.dev, go_config.namespace.ino, &in_namespace,
					 sizeof(in_namespace)))
		return in_namespace.tgid;
	number = go_process_below();
	return number ? number : GO_OUTSIDE | bpf_get_current_pid_tgid() >> 32;
}

/* The number of this process; with GO_OUTSIDE set it is the kernel's, and good for telling processes apart only. */
static __always_inline __u32 go_process(void)
{
	return go_config.namespace.ino ? go_process_here() : bpf_get_current_pid_tgid() >> 32;
}

/* Processes to look at, when they are several. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* process id */
	__type(value, __u8);
} go_listed SEC(".maps");

static __always_inline int go_ignored(__u32 process)
{
	if (go_config.only)
		return process != go_config.only;
	return go_config.listed_only && !bpf_map_lookup_elem(&go_listed, &process);
}

#endif
