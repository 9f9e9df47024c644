/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What every program here knows about running inside a Go function: where the register ABI keeps g and the
 * arguments (cmd/compile/abi-internal.md), whether a stack check is about to fail, and how far the image was
 * moved by the loader; process.bpf.h has the process.
 */
#ifndef __GO_BPF_H
#define __GO_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "process.bpf.h"

/*
 * The registers at a probe. Go's own calling convention (cmd/compile/abi-internal.md, since Go 1.17 on x86-64 and 1.18
 * on arm64) keeps the running g in a register of its own and passes integers and pointers in others, in this order; a
 * result comes back in the first. A structure is passed as its words. Of a narrower argument the upper bits are
 * undefined: whoever takes one cuts it. Functions in assembly have another convention (ABI0), and no probe reads their
 * arguments.
 */
#if defined(__TARGET_ARCH_x86)
#define go_regs pt_regs
#define GO_G(ctx) ((ctx)->r14)
#define GO_ARG0(ctx) ((ctx)->ax)
#define GO_ARG1(ctx) ((ctx)->bx)
#define GO_ARG2(ctx) ((ctx)->cx)
#define GO_ARG3(ctx) ((ctx)->di)
#define GO_ARG4(ctx) ((ctx)->si)
#define GO_PC(ctx) ((ctx)->ip)
#define GO_SP(ctx) ((ctx)->sp)
#define GO_FP(ctx) ((ctx)->bp)
/* Through which runtime.gogo jumps (runtime/asm_amd64.s). */
#define GO_GOGO_TARGET(ctx) ((ctx)->bx)
/* At a `jbe` that ends a stack check: CF or ZF set means the branch to morestack is taken and the function will
 * start again, so this hit is not a call. */
#define GO_X86_CF 0x1
#define GO_X86_ZF 0x40
static __always_inline int go_stack_check_fails(struct go_regs *ctx)
{
	return (ctx->flags & (GO_X86_CF | GO_X86_ZF)) != 0;
}
#else
#define go_regs user_pt_regs
#define GO_G(ctx) ((ctx)->regs[28])
#define GO_ARG0(ctx) ((ctx)->regs[0])
#define GO_ARG1(ctx) ((ctx)->regs[1])
#define GO_ARG2(ctx) ((ctx)->regs[2])
#define GO_ARG3(ctx) ((ctx)->regs[3])
#define GO_ARG4(ctx) ((ctx)->regs[4])
#define GO_PC(ctx) ((ctx)->pc)
#define GO_SP(ctx) ((ctx)->sp)
#define GO_FP(ctx) ((ctx)->regs[29])
/* At a `b.ls`: taken when C is clear or Z is set. */
#define GO_ARM64_C (1ULL << 29)
#define GO_ARM64_Z (1ULL << 30)
static __always_inline int go_stack_check_fails(struct go_regs *ctx)
{
	return (ctx->pstate & GO_ARM64_C) == 0 || (ctx->pstate & GO_ARM64_Z) != 0;
}
#endif

/*
 * A general-purpose register by the machine's number. Each is read by an instruction of its own: the verifier refuses
 * an address in the context that was computed.
 */
#if defined(__TARGET_ARCH_x86)
#define GO_REGISTER_CASE(number, name)                                                   \
	case number:                                                                     \
		asm volatile("%0 = *(u64 *)(%1 + %2)"                                    \
			     : "=r"(value)                                               \
			     : "r"(ctx), "i"(__builtin_offsetof(struct go_regs, name))); \
		break

static __always_inline __u64 go_register(struct go_regs *ctx, __u32 number)
{
	__u64 value = 0;

	switch (number) {
		GO_REGISTER_CASE(0, ax);
		GO_REGISTER_CASE(1, cx);
		GO_REGISTER_CASE(2, dx);
		GO_REGISTER_CASE(3, bx);
		GO_REGISTER_CASE(5, bp);
		GO_REGISTER_CASE(6, si);
		GO_REGISTER_CASE(7, di);
		GO_REGISTER_CASE(8, r8);
		GO_REGISTER_CASE(9, r9);
		GO_REGISTER_CASE(10, r10);
		GO_REGISTER_CASE(11, r11);
		GO_REGISTER_CASE(12, r12);
		GO_REGISTER_CASE(13, r13);
		GO_REGISTER_CASE(14, r14);
		GO_REGISTER_CASE(15, r15);
	}
	return value;
}

/* At the branch behind `sete reg; test reg, reg`: what was compared was not equal. */
static __always_inline int go_exchange_failed(struct go_regs *ctx)
{
	return (ctx->flags & GO_X86_ZF) != 0;
}
#else
/* No site needs these here. */
static __always_inline __u64 go_register(struct go_regs *ctx, __u32 number)
{
	return 0;
}

static __always_inline int go_exchange_failed(struct go_regs *ctx)
{
	return 1;
}
#endif

/*
 * What is known at a branch in an inlined body (Operands in src/go/site/mod.rs) is in the cookie in place of the
 * distance from the function's entry. The register of the value; of a change of state also old and new state, numbers
 * or registers, and what else it means.
 */
#define GO_OPERANDS_REGISTER(site) ((site)->offset & 15)
#define GO_OPERANDS_OLD(site) ((site)->offset >> 4 & 15)
#define GO_OPERANDS_OLD_IN_AX 15
#define GO_OPERANDS_NEW(site) ((site)->offset >> 8 & 15)
#define GO_OPERANDS_NEW_IN_REGISTER(site) ((site)->offset >> 12 & 1)
#define GO_OPERANDS_MEANING(site) ((site)->offset >> 13 & 3)
#define GO_MEANING_PARKS 1
#define GO_MEANING_NO_P 2

/*
 * A cookie names its site: the site's link-time address in the lower 48 bits, then how far that is from the entry of
 * its function, and in the top bit whether the site is the conditional branch of a stack check.
 */
#define GO_COOKIE_STACK_CHECK (1ULL << 63)
#define GO_COOKIE_OFFSET_SHIFT 48
#define GO_COOKIE_OFFSET_MASK 0x7fff

/* Where a hit is, worked out of the cookie. */
struct go_site {
	__u64 vaddr; /* link-time address of the probed instruction */
	__u64 offset; /* its distance from the function's entry */
	__u64 bias; /* what the loader added to link-time addresses in this process */
};

/* What the cookie would be, by link-time address, where the kernel gives none (go_config.by_address). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by user space */
	__type(key, __u64);
	__type(value, __u64);
} go_sites SEC(".maps");

/* Hits at addresses that are no site's: none are expected, and user space reports them as lost. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} go_unknown_sites SEC(".maps");

/*
 * What the loader added to link-time addresses in this process: the kernel remembers where it has put the code
 * (load_elf_binary, fs/binfmt_elf.c). If either word cannot be read the address found is no site's, which is counted.
 */
static __always_inline __u64 go_bias(void)
{
	__u64 task = bpf_get_current_task(), mm = 0, start_code = 0;

	if (!go_config.by_address.mm)
		return 0;
	bpf_probe_read_kernel(&mm, sizeof(mm), (void *)(task + go_config.by_address.mm));
	bpf_probe_read_kernel(&start_code, sizeof(start_code), (void *)(mm + go_config.by_address.mm_start_code));
	return start_code - go_config.by_address.start_code;
}

/* 0 if the address is no site's, which is counted. */
static __always_inline __u64 go_cookie_by_address(struct go_regs *ctx)
{
	__u64 vaddr = GO_PC(ctx) - go_bias(), *cookie, *unknown_sites;
	__u32 zero = 0;

	cookie = bpf_map_lookup_elem(&go_sites, &vaddr);
	if (cookie)
		return *cookie;
	unknown_sites = bpf_map_lookup_elem(&go_unknown_sites, &zero);
	if (unknown_sites)
		__sync_fetch_and_add(unknown_sites, 1);
	return 0;
}

/*
 * Returns non-zero when this hit is not a call (the function will start again on a larger stack), or nobody knows what
 * it is.
 *
 * A function begins with a check whether its stack suffices (cmd/internal/obj/x86 and arm64, stacksplit). If not, it
 * calls runtime.morestack, which moves the stack and starts the function anew: at its entry such a call is seen twice.
 * Most sites lie behind the check. Where the first place that is cheap to probe is the check's own branch (Go 1.19 and
 * 1.20), the flags tell whether it will be taken.
 */
static __always_inline int go_site_of(struct go_regs *ctx, struct go_site *site)
{
	__u64 cookie;

	if (go_config.by_address.wanted) {
		cookie = go_cookie_by_address(ctx);
		if (!cookie)
			return 1;
	} else {
		cookie = bpf_get_attach_cookie(ctx);
	}
	site->vaddr = cookie & ((1ULL << GO_COOKIE_OFFSET_SHIFT) - 1);
	site->offset = cookie >> GO_COOKIE_OFFSET_SHIFT & GO_COOKIE_OFFSET_MASK;
	site->bias = GO_PC(ctx) - site->vaddr;
	return (cookie & GO_COOKIE_STACK_CHECK) && go_stack_check_fails(ctx);
}

/*
 * The address to which the probed function returns, at a site before its frame is set up: on x86-64 the word that the
 * call has pushed, on arm64 the link register. 0 if the stack cannot be read.
 */
static __always_inline __u64 go_return_address(struct go_regs *ctx)
{
#if defined(__TARGET_ARCH_x86)
	__u64 address = 0;

	bpf_probe_read_user(&address, sizeof(address), (void *)GO_SP(ctx));
	return address;
#else
	__u64 address;

	/* Not left to the compiler: it may first compute where in the context the register is, and the verifier refuses
	 * such a pointer. */
	asm volatile("%0 = *(u64 *)(%1 + %2)"
		     : "=r"(address)
		     : "r"(ctx), "i"(__builtin_offsetof(struct go_regs, regs[30])));
	return address;
#endif
}

/*
 * Gate: programs do nothing while it is closed. Attaching and detaching several sites is not one step for the
 * kernel, so user space opens the gate after the last attach and closes it before the first detach. Ajar, hits are
 * counted and nothing else happens.
 *
 * It is read once per run, without any barrier: a run that is under way when it moves goes by what it has read. So some
 * hits before and after count or not, as if they had come a moment earlier or later.
 */
enum go_gate_position {
	GO_GATE_CLOSED = 0,
	GO_GATE_OPEN = 1,
	GO_GATE_AJAR = 2,
};
volatile __u32 go_gate = GO_GATE_CLOSED;

/*
 * How often a program ran since the gate was opened, and how long some of the runs took: what all this costs is
 * computed from it. The kernel could tell (BPF_ENABLE_STATS), but to root only, and at the cost of every BPF program on
 * the machine.
 *
 * Nothing here is atomic: where one program interrupts another on the same CPU, a hit more or less is no matter.
 */
struct go_overhead {
	__u64 hits;
	__u64 timed_runs;
	__u64 timed_ns;
	__u64 begun_ns; /* of the run under way; 0: it is not timed */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct go_overhead);
} go_overhead SEC(".maps");

/* The first so many runs on a CPU are timed, and then one of so many. */
#define GO_TIMED 128
/* What took longer was interrupted. */
#define GO_LONGEST_RUN_NS 50000

static __always_inline struct go_overhead *go_overhead_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&go_overhead, &zero);
}

/*
 * Whether the program is to do its work. Of those that look at the clock, every 128th is enough to know what a run
 * takes; looking twice at each would cost more than some programs do.
 */
static __always_inline int go_run_begins(void)
{
	struct go_overhead *spent;
	__u32 gate = go_gate;
	__u64 hits;

	if (!gate)
		return 0;
	spent = go_overhead_here();
	if (!spent)
		return 0;
	hits = ++spent->hits;
	if (gate != GO_GATE_OPEN)
		return 0;
	spent->begun_ns = hits <= GO_TIMED || hits % GO_TIMED == 0 ? bpf_ktime_get_ns() : 0;
	return 1;
}

static __always_inline void go_run_ends(void)
{
	struct go_overhead *spent = go_overhead_here();
	__u64 took;

	if (!spent || !spent->begun_ns)
		return;
	took = bpf_ktime_get_ns() - spent->begun_ns;
	spent->begun_ns = 0;
	if (took > GO_LONGEST_RUN_NS)
		return;
	spent->timed_runs += 1;
	spent->timed_ns += took;
}

/*
 * From Linux 6.13 on a program that needs some stack gets it in memory of the processor, instead of the task's, if its
 * type is one that cannot interrupt itself on a processor (bpf_enable_priv_stack, kernel/bpf/verifier.c). The kernel
 * counts ours among them, but runs them preemptibly (bpf_prog_run_array_uprobe and uprobe_prog_run): on a preemptible
 * kernel two tasks then share one stack: the exit of a goroutine was seen under the name of another, and Linux 7.3
 * itself fell over a pointer that one had left there for the other. A program with a tail call keeps the task's stack;
 * this one is never made, and the verifier takes it out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} go_no_program SEC(".maps");

const volatile __u8 go_never = 0;

static __always_inline void go_keep_task_stack(void *ctx)
{
	if (go_never)
		bpf_tail_call(ctx, &go_no_program, 0);
}

/* What is around the work of every program. */
#define GO_RUN(work, ctx)                \
	({                               \
		go_keep_task_stack(ctx); \
		if (go_run_begins()) {   \
			work(ctx);       \
			go_run_ends();   \
		}                        \
		0;                       \
	})

/* Programs come twice: for uprobe.multi (kernel 6.6 on), and for perf events, of one site or of tracefs. */
#define GO_PROGRAMS(name, work)                            \
	SEC("uprobe.multi") int name(struct go_regs *ctx)  \
	{                                                  \
		return GO_RUN(work, ctx);                  \
	}                                                  \
	SEC("uprobe") int name##_perf(struct go_regs *ctx) \
	{                                                  \
		return GO_RUN(work, ctx);                  \
	}

/*
 * Declares a probe: GO_PROBE(name, ctx, process, site) { … }. The block runs for the hits that count: those of a
 * process that is observed (`process`), at a known site (`site`), that are calls and not the prelude to one. No program
 * can forget to ask. With GO_PROBE_IF a hit is first held against a condition that costs less to find out than all
 * this.
 */
#define GO_PROBE(name, ctx, process, site) GO_PROBE_IF(1, name, ctx, process, site)

#define GO_PROBE_IF(condition, name, ctx, process, site)                                                        \
	static __always_inline int name##_body(struct go_regs *ctx, __u32 process, const struct go_site *site); \
	static __always_inline int name##_hit(struct go_regs *ctx)                                              \
	{                                                                                                       \
		struct go_site at;                                                                              \
		__u32 in;                                                                                       \
                                                                                                                \
		if (!(condition))                                                                               \
			return 0;                                                                               \
		in = go_process();                                                                              \
		if (go_ignored(in) || go_site_of(ctx, &at))                                                     \
			return 0;                                                                               \
		return name##_body(ctx, in, &at);                                                               \
	}                                                                                                       \
	GO_PROGRAMS(name, name##_hit)                                                                           \
	static __always_inline int name##_body(struct go_regs *ctx, __u32 process, const struct go_site *site)

#endif
