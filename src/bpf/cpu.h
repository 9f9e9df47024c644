/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What cpu.bpf.c and user space share. */
#ifndef __CPU_H
#define __CPU_H

/* Words at the stack pointer: where a function that has no frame yet, or none at all, keeps its return address. Up to
 * Go 1.20 functions make room for their frame before they save the frame pointer. */
#define CPU_TOP_WORDS 32
/* The same where the frame pointer leads nowhere: assembly that uses the register for something else has frames of up
 * to some hundred bytes (crypto/sha256, crypto/md5). */
#define CPU_TOP_MOST 160
/* The same where the whole piece cannot be read: it ends with the stack, or a page of it was never touched. */
#define CPU_TOP_FEW 2
/* Words at the place where a goroutine has left its own stack. */
#define CPU_OTHER_WORDS 4
/* Frame records of one chain, and of both. */
#define CPU_CHAIN 127
#define CPU_RECORDS (2 * CPU_CHAIN)

/* On whose stack the thread runs. */
enum cpu_on {
	CPU_ON_UNKNOWN, /* there is no g, or what is in its place is none */
	CPU_ON_GOROUTINE,
	CPU_ON_SCHEDULER, /* m.g0: the runtime's own work, or C code */
	CPU_ON_SIGNAL, /* m.gsignal */
};

/* What the chain of frame records is. */
enum cpu_chain_kind {
	CPU_CHAIN_BROKEN, /* it ends where no stack does: the register was none, or memory was not there */
	CPU_CHAIN_WHOLE, /* from the register to the first function of the stack, or too long */
	CPU_CHAIN_FOUND, /* likewise, but its beginning was looked for on the stack: it may be left from an earlier call */
};

/* Counters, one array slot each, summed over CPUs by user space. */
enum cpu_counter {
	CPU_N_SAMPLES, /* taken, lost or not */
	CPU_N_RING_FULL, /* lost: there was no room */
	CPU_N_NO_REGISTERS, /* lost: the kernel did not show the registers of the thread */
	CPU_N_OTHER_PROGRAM, /* lost: the thread is ending, and has no memory any more, or runs another program now */
	CPU_N_COUNTERS,
};

/* Where things lie in one process. Offsets are in bytes; one that is not known is CPU_NOT_KNOWN, and what is there is
 * not looked at. */
#define CPU_NOT_KNOWN 0xffffffff
struct cpu_process {
	__u64 stack; /* where its first stack begins: another program has another, most often */
	__u64 text_begin; /* run-time addresses of the code of Go */
	__u64 text_end;
	__u64 cycles; /* of the number of collections that have begun, 4 bytes; 0: not known */
	__s64 tls; /* of g from the thread pointer; 0: it is in a register */
	__u32 g_m;
	__u32 g_sched_sp;
	__u32 g_sched_pc;
	__u32 g_sched_bp;
	__u32 g_sched_lr; /* in `gobuf` the word before bp (runtime/runtime2.go) */
	__u32 g_syscallsp;
	__u32 g_syscallpc;
	__u32 g_goid;
	__u32 g_startpc;
	__u32 m_g0;
	__u32 m_curg;
	__u32 m_gsignal;
	__u32 has_g; /* where the g of a thread is, is known */
	__u32 g_labels;
	__u32 callback_frame; /* how many bytes runtime.cgocallback's frame has; 0: not known */
	__u64 callback_begin; /* where its code is */
	__u64 callback_end;
};

/* A frame record: the word at a frame pointer is that of the caller, the word above it the address to return to. */
struct cpu_record {
	__u64 at;
	__u64 back;
};

struct cpu_sample {
	__u64 time_ns;
	__u32 process;
	__u32 thread;
	__u32 cpu;
	__u32 on; /* enum cpu_on */
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u64 lr; /* 0 where there is none */
	__u64 goid; /* of the goroutine that the thread runs, on whatever stack; 0: none */
	__u64 start_pc;
	__u64 labels; /* of the goroutine: a pointer to a set that was there when so many collections had begun */
	__u64 cycles;
	__u64 other_pc; /* where that goroutine left its own stack; 0: it is on it */
	__u64 other_sp;
	__u64 other_lr;
	__u64 other_top[CPU_OTHER_WORDS];
	__u32 other_waits; /* it is there as in a system call: what runs is C code */
	__u32 chain; /* enum cpu_chain_kind */
	__u32 other_chain;
	__u32 unused;
	__u32 other_words; /* how many of them could be read */
	__u32 top_words; /* how many of `top` */
	__u32 records; /* of the chain from the frame pointer */
	__u32 other_records; /* behind them, of that from where the goroutine left its stack */
	__u64 top[CPU_TOP_MOST];
	struct cpu_record record[CPU_RECORDS]; /* only those that there are are sent */
};

_Static_assert(sizeof(struct cpu_process) == 120, "shared with user space");
_Static_assert(sizeof(struct cpu_record) == 16, "shared with user space");
_Static_assert(sizeof(struct cpu_sample) == 1456 + 16 * CPU_RECORDS, "shared with user space");

#endif
