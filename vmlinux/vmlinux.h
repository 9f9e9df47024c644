/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The few kernel types the BPF programs use, for every supported architecture.
 *
 * Not a dump of one kernel: nothing here depends on a kernel's layout. The register structures are those of
 * the user ABI (arch/x86/include/asm/ptrace.h as seen by BPF, arch/arm64/include/uapi/asm/ptrace.h), the enums
 * those of include/uapi/linux/bpf.h. A struct whose layout may change must carry preserve_access_index.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;

/* bpf_helper_defs.h declares helpers in these. */
typedef __u16 __le16;
typedef __u16 __be16;
typedef __u32 __le32;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_RINGBUF = 27,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
};

enum {
	BPF_F_NO_PREALLOC = 1 << 0,
	BPF_F_MMAPABLE = 1 << 10,
};

/* Flags of bpf_ringbuf_submit and bpf_ringbuf_output. */
enum {
	BPF_RB_NO_WAKEUP = 1 << 0,
	BPF_RB_FORCE_WAKEUP = 1 << 1,
};

/* What bpf_get_ns_current_pid_tgid fills in (Linux 5.7). */
struct bpf_pidns_info {
	__u32 pid;
	__u32 tgid;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15;
	unsigned long r14;
	unsigned long r13;
	unsigned long r12;
	unsigned long bp;
	unsigned long bx;
	unsigned long r11;
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long cs;
	unsigned long flags;
	unsigned long sp;
	unsigned long ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};
/* What lies on the kernel's stack: it begins with the above, and is larger. */
struct pt_regs {
	__u64 orig_x0;
} __attribute__((preserve_access_index));
#else
#error "unsupported architecture"
#endif

/* Which helpers there are is asked by name. */
enum bpf_func_id {
	BPF_FUNC_task_pt_regs = 175,
};

struct mm_struct {
	unsigned long start_stack;
} __attribute__((preserve_access_index));

#if defined(__TARGET_ARCH_x86)
/* THREAD_SIZE, arch/x86/include/asm/page_64_types.h, and arch/arm64/include/asm/memory.h (without KASAN). */
#define CPU_KERNEL_STACK 16384
struct thread_struct {
	unsigned long fsbase;
} __attribute__((preserve_access_index));
#else
#define CPU_KERNEL_STACK 16384
struct thread_struct {
	struct {
		unsigned long tp_value;
	} uw;
} __attribute__((preserve_access_index));
#endif

struct task_struct {
	void *stack;
	struct mm_struct *mm;
	struct thread_struct thread;
} __attribute__((preserve_access_index));

#endif
