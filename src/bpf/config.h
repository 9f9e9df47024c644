/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What user space tells every object before it is loaded: constants, so that the verifier takes out what is not wanted.
 */
#ifndef __CONFIG_H
#define __CONFIG_H

/*
 * The PID namespace that grtmon runs in, where it is not the initial one. The offsets are those of this kernel, in its
 * structures task_struct, signal_struct, pid and pid_namespace; all are 0 where they are not known.
 */
struct go_namespace {
	__u64 dev; /* of the namespace's file, as the kernel has it */
	__u64 ino; /* 0: the initial namespace */
	__u32 task_signal;
	__u32 signal_tgid; /* of pids[PIDTYPE_TGID] */
	__u32 pid_level;
	__u32 pid_numbers;
	__u32 namespace_ino;
	__u32 unused;
};

/*
 * Where the kernel gives no cookie (before Linux 5.15, and from a tracefs event, which has one for all its sites), the
 * site is found by its address.
 */
struct go_by_address {
	__u64 start_code; /* link-time address where the program's code begins */
	__u32 mm; /* offset of mm in task_struct; 0: the loader does not move the program */
	__u32 mm_start_code; /* offset of start_code in mm_struct */
	__u32 wanted; /* there are no cookies */
	__u32 unused;
};

struct go_config {
	struct go_namespace namespace;
	struct go_by_address by_address;
	__u32 only; /* the process to look at, when it is one and the kernel does not confine the probes to it, or 0 */
	__u32 listed_only; /* only processes in go_listed are looked at */
};

_Static_assert(sizeof(struct go_config) == 72, "shared with user space, which takes it for bytes");

#endif
