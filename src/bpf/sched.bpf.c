// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * What goroutines do with their time: each change of a goroutine's state ends an interval, which is added to the times
 * of that state, and begins another.
 *
 * Nearly all changes pass runtime.casgstatus(gp, old, new) (runtime/proc.go, Go 1.19 to 1.27). The probe is in front of
 * the change, and whoever changes a state is alone in doing so: hits of one goroutine follow each other, on whatever
 * CPUs, and what is remembered of it is written plainly. casgstatus may then still have to wait for the collector to
 * let go of the goroutine (_Gscan, while its stack is scanned): the change is taken to be made when it was asked for.
 *
 * The state of a goroutine that was there before the gate was opened is not asked for: its first change tells it. What
 * has not changed at all by the end, user space adds from the runtime's own list.
 *
 * Sums that goroutines share are per CPU or counted atomically. A maximum is raised without: of two that are raised at
 * once the smaller may win, which costs a little of one maximum and nothing else.
 */
#include "go.bpf.h"
#include "hist.bpf.h"
#include "sched.h"

static __always_inline void sched_clear(struct alive_life *life)
{
	life->state = SCHED_UNKNOWN;
	life->flags = 0;
	life->stack = 0;
}

#define ALIVE_CLEAR sched_clear
#include "alive.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile struct sched_config sched_cfg = {};

/* When the gate was opened, CLOCK_MONOTONIC in ns. */
volatile __u64 sched_begin_ns = 0;

/* A goroutine could not be remembered: from now on, one of which nothing is known need not be older than the gate. */
volatile __u32 sched_was_full = 0;

/* Times by class and slot. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCHED_CLASSES *SCHED_SLOTS);
	__type(key, __u32);
	__type(value, struct sched_times);
} sched_totals SEC(".maps");

/* Times told apart, by start function or by process; where that is wanted they are here instead. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by user space */
	__type(key, struct sched_whose);
	__type(value, struct sched_times);
} sched_apart SEC(".maps");

/* Start functions of the runtime's own goroutines, by link-time entry. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, __u8);
} sched_system SEC(".maps");

/*
 * When a process began its present program, if it has begun one since the gate was opened. User space takes away those
 * of processes that have ended.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} sched_images SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* set by user space; so are those of the next */
	__type(key, __u64);
	__type(value, struct sched_stack);
} sched_stacks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct sched_block_key);
	__type(value, struct sched_block);
} sched_blocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCHED_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} sched_counters SEC(".maps");

static struct sched_times no_times; /* all zero: the first value of an entry of sched_apart */

/* These make the skeleton emit the types. */
enum sched_state _sched_state = SCHED_RUNNING;
enum sched_slot _sched_slot = SCHED_SLOTS;
enum sched_flag _sched_flag = SCHED_ELDER;
enum sched_counter _sched_counter = SCHED_N_MAP_FULL;
enum sched_statuses _sched_statuses = SCHED_STATUSES;
enum go_gate_position _go_gate_position = GO_GATE_CLOSED;

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&sched_counters, &counter);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/*
 * Whether this goroutine is not in the sample. It is decided by the address of its g, so that all its changes are seen
 * or none. Other bits than those that choose its bucket: the table is used evenly.
 */
static __always_inline int left_out(__u64 g)
{
	__u32 spread;

	if (sched_cfg.sample <= 1)
		return 0;
	spread = (g ^ g >> 21) * 0xd6e8feb86659fd93ULL >> 32;
	return (__u64)spread * sched_cfg.sample >> 32 != 0;
}

static __always_inline __u32 slot_of(const struct alive_life *life)
{
	__u32 slot = life->state - SCHED_RUNNING;

	if (life->state == SCHED_WAITING) {
		slot = SCHED_SLOT_WAITING + life->reason;
		if (slot >= SCHED_SLOTS)
			slot = SCHED_SLOTS - 1;
	}
	return (slot & (SCHED_SLOTS - 1)) + (life->flags & SCHED_SYSTEM ? SCHED_SLOTS : 0);
}

/*
 * Where times of this kind are added. An entry begins all zero; two CPUs that want to make one get the same. If there
 * is no room, they go to the total, and user space says how many.
 */
static __always_inline struct sched_times *times_of(__u64 start_pc, __u32 process, __u32 slot)
{
	struct sched_whose key = {
		.start_pc = sched_cfg.by_fn ? start_pc : 0,
		.process = sched_cfg.by_process ? process : 0,
		.slot = slot,
	};
	struct sched_times *times;

	if (sched_cfg.by_fn || sched_cfg.by_process) {
		times = bpf_map_lookup_elem(&sched_apart, &key);
		if (times)
			return times;
		bpf_map_update_elem(&sched_apart, &key, &no_times, BPF_NOEXIST);
		times = bpf_map_lookup_elem(&sched_apart, &key);
		if (times)
			return times;
		count(SCHED_N_APART_FULL);
	}
	return bpf_map_lookup_elem(&sched_totals, &slot);
}

/* Waiting is over that began on this stack. */
static __always_inline void add_block(__u64 stack, __u32 process, __u32 slot, __u64 ns)
{
	struct sched_block_key key = {
		.stack = stack,
		.process = sched_cfg.by_process ? process : 0,
		.slot = slot,
	};
	struct sched_block none = {}, *block = bpf_map_lookup_elem(&sched_blocks, &key);

	if (!block) {
		bpf_map_update_elem(&sched_blocks, &key, &none, BPF_NOEXIST);
		block = bpf_map_lookup_elem(&sched_blocks, &key);
	}
	if (!block) {
		count(SCHED_N_BLOCK_FULL);
		return;
	}
	__sync_fetch_and_add(&block->count, 1);
	__sync_fetch_and_add(&block->sum_ns, ns);
	if (ns > block->max_ns)
		block->max_ns = ns;
}

/*
 * Set once and never taken back. Another CPU may see it a moment later and take a goroutine for older than it is: that
 * one is then among those of whom only the end is known, with a time that is too long.
 */
static __always_inline void no_room(void)
{
	count(SCHED_N_MAP_FULL);
	sched_was_full = 1;
}

/*
 * The state that a goroutine was in is over. Cut: when it began was not seen. Then the time since the gate was opened
 * counts, unless the table was full once: the goroutine may then have begun later, and only that there was such a state
 * is known.
 */
static __always_inline void leave(const struct alive_life *life, __u32 process, int cut, __u64 now)
{
	__u64 since = cut ? sched_begin_ns : life->since_ns;
	__u64 ns = now > since ? now - since : 0;
	__u32 slot = slot_of(life);
	struct sched_times *times = times_of(life->start_pc, process, slot);

	if (!cut) {
		if (times)
			hist_add(&times->whole, ns);
		if (sched_cfg.stacks && life->state == SCHED_WAITING && life->stack)
			add_block(life->stack, process, slot, ns);
		return;
	}
	if (!times)
		return;
	if (sched_was_full)
		ns = 0;
	__sync_fetch_and_add(&times->cut, 1);
	__sync_fetch_and_add(&times->cut_ns, ns);
	if (ns > times->cut_max_ns)
		times->cut_max_ns = ns;
}

/*
 * Who the goroutine is: it stays so as long as it lives. g.startpc is written by newproc1 before it makes the goroutine
 * runnable through casgstatus (runtime/proc.go), so it is there at the first change.
 */
static __always_inline void learn(struct alive_life *life, __u64 g, const struct go_site *site)
{
	__u64 pc = 0;

	if (bpf_probe_read_user(&pc, sizeof(pc), (void *)(g + sched_cfg.g_startpc)))
		count(SCHED_N_UNREADABLE);
	if (pc)
		pc -= site->bias;
	life->start_pc = pc;
	life->flags &= SCHED_ELDER;
	if (bpf_map_lookup_elem(&sched_system, &pc))
		life->flags |= SCHED_SYSTEM;
}

/*
 * g.waitreason. gopark writes it before park_m changes the state (runtime/proc.go, Go 1.19 to 1.27); where the runtime
 * does so later, the programs know the reason by where they stand.
 */
static __always_inline __u8 reason_of(__u64 g)
{
	__u8 reason = 0;

	if (bpf_probe_read_user(&reason, sizeof(reason), (void *)(g + sched_cfg.g_waitreason)))
		count(SCHED_N_UNREADABLE);
	return reason;
}

static __always_inline void begin(struct alive_life *life, __u8 state, __u8 reason, __u64 stack, __u64 now)
{
	life->state = state;
	life->reason = reason;
	life->stack = stack;
	life->since_ns = now;
}

/*
 * A process begins a program: runtime.main is made. User space takes what began before for another program's, and drops
 * it; no goroutine outlives an exec.
 */
static __always_inline void image_begins(__u32 process, __u64 now)
{
	if (bpf_map_update_elem(&sched_images, &process, &now, BPF_ANY))
		count(SCHED_N_IMAGE_FULL);
}

/* Where a goroutine goes over from and to; for waiting also what for, and on which stack. SCHED_GONE on the left: it is
 * made; on the right: it ends. */
struct change {
	__u8 from;
	__u8 to;
	__u8 reason;
	__u64 stack;
};

/*
 * The one place where states change. The first change that is seen of a goroutine which was not made under our eyes
 * tells what it was doing until now, not since when. From a change that is lost (there was no room) nothing is guessed:
 * the next one finds another state than it should, and ends that.
 */
static __always_inline void change(__u32 process, __u64 g, const struct change *c, const struct go_site *site,
				   __u64 now)
{
	struct alive_life *life = alive_place(process, g);
	int made = c->from == SCHED_GONE, cut;

	if (!life) {
		no_room();
		return;
	}
	/* It was there before us: the interval is counted as one that was cut. */
	cut = !made && life->state == SCHED_UNKNOWN;
	if (cut)
		life->flags = SCHED_ELDER;
	if (made || cut)
		learn(life, g, site);
	if (made) {
		if (life->start_pc && life->start_pc == sched_cfg.main_entry)
			image_begins(process, now);
	} else {
		/* A change may be told twice: at the system call and, where the state could not be changed at once, by
		 * runtime.casgstatus. */
		if (life->state == c->to && c->to != SCHED_WAITING)
			return;
		if (cut)
			begin(life, c->from, c->from == SCHED_WAITING ? reason_of(g) : 0, 0, now);
		/* A coroutine that ends has handed over just before. */
		if (cut || c->to != SCHED_GONE || life->state != SCHED_WAITING)
			leave(life, process, cut, now);
	}
	if (c->to == SCHED_GONE && !(life->flags & SCHED_ELDER))
		alive_forget(process, g, life);
	else
		begin(life, c->to, c->reason, c->stack, now);
}

/*
 * Where casgstatus returns to, as a link-time address. Indirect: where its caller does; in programs built without
 * optimisation park_m goes through casGToWaiting. What cannot be read is taken for no known caller, and counted.
 */
static __always_inline __u64 returns_to(struct go_regs *ctx, const struct go_site *site, int indirect)
{
	__u64 address = 0, frame = GO_FP(ctx);

	if (!sched_cfg.framed && !indirect) {
		address = go_return_address(ctx);
	} else {
		if (sched_cfg.framed && indirect && bpf_probe_read_user(&frame, sizeof(frame), (void *)frame))
			frame = 0;
		bpf_probe_read_user(&address, sizeof(address), (void *)(frame + 8));
	}
	if (!address)
		count(SCHED_N_CALLER_UNREADABLE);
	return address - site->bias;
}

/*
 * Whether a goroutine that goes from running to waiting really stops to run. Only in runtime.park_m does it: the
 * collector, stopTheWorld and others let a goroutine pass for waiting that goes on running, so that its stack can be
 * scanned (runtime/proc.go and runtime/mgc.go; since Go 1.21 through casGToWaiting).
 */
static __always_inline int parks(struct go_regs *ctx, const struct go_site *site)
{
	__u64 to = returns_to(ctx, site, sched_cfg.park_indirect);

	return to >= sched_cfg.park_begin && to < sched_cfg.park_end;
}

#define SCHED_MIX 0x9e3779b97f4a7c15ULL
#define SCHED_OTHER_MIX 0xc2b2ae3d27d4eb4fULL

/*
 * The stack of a goroutine that has saved where it is (runtime.mcall, g.sched): its key in sched_stacks, 0 if there is
 * none.
 *
 * It cannot run while it is walked: this thread is on its g0 and has not yet made it waiting. Its stack is not moved
 * either, since that takes a goroutine that is not running. Frame pointers lead from frame to frame; how far they can
 * be trusted says src/go/site/frame_pointers.rs. Equal stacks share one entry: the key is one hash of the addresses and
 * `check` another, so that two stacks of one key are noticed and not added up.
 */
static __always_inline __u64 stack_of(__u64 g, const struct go_site *site)
{
	struct sched_stack stack = {}, *known;
	__u64 frame[2]; /* the caller's frame, the return address */
	__u64 key = 0, bp = 0, pc = 0;
	__u32 i;

	if (bpf_probe_read_user(&pc, sizeof(pc), (void *)(g + sched_cfg.g_sched_pc)) ||
	    bpf_probe_read_user(&bp, sizeof(bp), (void *)(g + sched_cfg.g_sched_bp))) {
		count(SCHED_N_STACK_UNREADABLE);
		return 0;
	}
	for (i = 0; i < SCHED_DEPTH; i++) {
		pc -= site->bias;
		stack.pc[i] = pc;
		key = (key ^ pc) * SCHED_MIX;
		key ^= key >> 32;
		stack.check = (stack.check + pc) * SCHED_OTHER_MIX;
		stack.frames = i + 1;
		if (!bp)
			break;
		if (bpf_probe_read_user(frame, sizeof(frame), (void *)bp))
			break;
		bp = frame[0];
		pc = frame[1];
	}
	stack.deeper = bp != 0;
	key |= 1; /* not 0 */
	known = bpf_map_lookup_elem(&sched_stacks, &key);
	if (!known) {
		bpf_map_update_elem(&sched_stacks, &key, &stack, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&sched_stacks, &key);
	}
	if (!known) {
		count(SCHED_N_STACK_FULL);
		return 0;
	}
	if (known->check != stack.check) {
		count(SCHED_N_STACK_CLASH);
		return 0;
	}
	return key;
}

/*
 * The goroutine was in a system call until a moment ago, and finds no P: since Go 1.26 exitsyscall first makes it
 * running and then, in exitsyscallNoP, runnable (runtime/proc.go). It never ran in between, so it has been runnable
 * since.
 */
static __always_inline int ends_syscall(struct go_regs *ctx, const struct go_site *site)
{
	__u64 to;

	if (!sched_cfg.no_p_begin)
		return 0;
	to = returns_to(ctx, site, 0);
	return to >= sched_cfg.no_p_begin && to < sched_cfg.no_p_end;
}

/*
 * What a goroutine of this status does (g.atomicstatus, by sched_config.states); SCHED_UNKNOWN for a status in passing.
 */
static __always_inline __u8 state_of(__u32 status)
{
	if (status >= SCHED_STATUSES)
		return SCHED_UNKNOWN;
	return sched_cfg.states >> status * SCHED_STATE_BITS & ((1 << SCHED_STATE_BITS) - 1);
}

#define FROM(state) (1U << (state))

/*
 * Whether a goroutine can go over so. One that was to wait and goes on running never waited: for waiting to running
 * there is no way but through runnable, except for a coroutine, which has a program of its own. New extra Ms begin in a
 * system call (runtime/proc.go, needm), coroutines begin waiting: both from nothing.
 */
static __always_inline int is_change(const struct change *c)
{
	__u32 from = 0;

	switch (c->to) {
	case SCHED_RUNNABLE:
		from = FROM(SCHED_GONE) | FROM(SCHED_WAITING) | FROM(SCHED_SYSCALL) | FROM(SCHED_RUNNING);
		break;
	case SCHED_RUNNING:
		from = FROM(SCHED_RUNNABLE) | FROM(SCHED_SYSCALL);
		break;
	case SCHED_SYSCALL:
	case SCHED_WAITING:
		from = FROM(SCHED_RUNNING) | FROM(SCHED_GONE);
		break;
	case SCHED_GONE:
		from = FROM(SCHED_RUNNING) | FROM(SCHED_SYSCALL);
		break;
	}
	return from >> (c->from & 7) & 1;
}

/*
 * runtime.casgstatus(gp, old, new) (runtime/proc.go, Go 1.19 to 1.27), before it tries: it has no stack check, and the
 * arguments are in their registers. It is called on g0 or on the goroutine's own stack. Not behind the change, where
 * another thread may already be making the next one.
 */
GO_PROBE_IF(!left_out(GO_ARG0(ctx)), sched_status, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx);
	struct change c = { .from = state_of(GO_ARG1(ctx)), .to = state_of(GO_ARG2(ctx)) };
	struct alive_life *life;

	if (!is_change(&c))
		return 0;
	if (c.to == SCHED_WAITING) {
		if (c.from == SCHED_RUNNING) {
			if (!parks(ctx, site))
				return 0; /* it goes on running, and only passes for one that waits */
			c.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
		}
		c.reason = reason_of(g);
	}
	if (c.to == SCHED_RUNNABLE && c.from == SCHED_RUNNING && ends_syscall(ctx, site)) {
		life = alive_find(process, g);
		if (life && life->state == SCHED_RUNNING) {
			life->state = SCHED_RUNNABLE; /* since the end of the system call */
			return 0;
		}
	}
	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.casgstatus(gp, old, new) where it is inlined (PGO does that): at the branch behind the compare-and-swap of
 * gp.atomicstatus, if that went well; a try that did not is repeated and comes by again. What is known of a copy is in
 * its cookie: in which registers g and the states are, and whom the copy is in.
 *
 * So here the next change of the same goroutine, made by another thread, can be seen before this one, if this thread is
 * held up in the few instructions between the exchange and the trap. The two states then get each other's times; no
 * interval is lost, and none is counted twice.
 */
GO_PROBE(sched_status_copy, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g;
	struct change c = {};
	struct alive_life *life;
	__u32 old, new;

	if (go_exchange_failed(ctx))
		return 0;
	g = go_register(ctx, GO_OPERANDS_REGISTER(site));
	if (left_out(g))
		return 0;
	old = GO_OPERANDS_OLD(site);
	if (old == GO_OPERANDS_OLD_IN_AX)
		old = GO_ARG0(ctx);
	new = GO_OPERANDS_NEW(site);
	if (GO_OPERANDS_NEW_IN_REGISTER(site))
		new = go_register(ctx, new);
	c.from = state_of(old);
	c.to = state_of(new);
	if (!is_change(&c))
		return 0;
	if (c.to == SCHED_WAITING) {
		if (c.from == SCHED_RUNNING) {
			if (GO_OPERANDS_MEANING(site) != GO_MEANING_PARKS)
				return 0;
			c.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
		}
		c.reason = reason_of(g);
	}
	if (c.to == SCHED_RUNNABLE && c.from == SCHED_RUNNING && GO_OPERANDS_MEANING(site) == GO_MEANING_NO_P) {
		life = alive_find(process, g);
		if (life && life->state == SCHED_RUNNING) {
			life->state = SCHED_RUNNABLE;
			return 0;
		}
	}
	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.reentersyscall (runtime/proc.go), used since Go 1.26: from then on it changes the state by an exchange of its
 * own and calls casgstatus only if that fails. Then both probes are hit; change() drops the second. entersyscall, and
 * what returns from C, end there. On the goroutine's own stack, so it is the running g.
 */
GO_PROBE_IF(!left_out(GO_G(ctx)), sched_syscall_enter, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_G(ctx);
	struct change c = { .from = SCHED_RUNNING, .to = SCHED_SYSCALL };

	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.exitsyscall (runtime/proc.go), used since Go 1.26, for the same reason. It makes the goroutine running
 * whether there is a P for it or not; if there is none, ends_syscall() puts it right.
 */
GO_PROBE_IF(!left_out(GO_G(ctx)), sched_syscall_exit, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_G(ctx);
	struct change c = { .from = SCHED_SYSCALL, .to = SCHED_RUNNING };

	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.preemptPark(gp) (runtime/proc.go, Go 1.19 to 1.27): a running goroutine stops for the collector. The change,
 * to _Gpreempted, is made by casGToPreemptScan and not by casgstatus; suspendG later makes it waiting and only then
 * sets the reason (waitReasonPreempted), so that is told by user space. It goes on through casgstatus, like any that
 * waited.
 */
GO_PROBE_IF(!left_out(GO_ARG0(ctx)), sched_preempt, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx);
	struct change c = { .from = SCHED_RUNNING, .to = SCHED_WAITING, .reason = sched_cfg.preempted };

	c.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
	change(process, g, &c, site, now);
	return 0;
}

/*
 * runtime.coroswitch_m(gp) (runtime/coro.go, since Go 1.22): gp hands over to gp.coroarg.gp, and waits, or ends. Both
 * states are changed by exchanges of its own. Where these fail, and in bubbles of testing/synctest, casgstatus is
 * called besides: for the one that waits that is no park (parks()), and the one that runs passes for runnable for a
 * moment. On g0, gp stopped. Who is next is read before the runtime takes it: two that switch to one coroutine at once
 * are an error for which the program ends.
 */
GO_PROBE(sched_coroswitch, ctx, process, site)
{
	__u64 now = bpf_ktime_get_ns(), g = GO_ARG0(ctx), coro = 0, next = 0;
	struct change waits = { .from = SCHED_RUNNING, .to = SCHED_WAITING, .reason = sched_cfg.coroutine };
	struct change runs = { .from = SCHED_WAITING, .to = SCHED_RUNNING };

	if (!left_out(g)) {
		waits.stack = sched_cfg.stacks ? stack_of(g, site) : 0;
		change(process, g, &waits, site, now);
	}
	if (bpf_probe_read_user(&coro, sizeof(coro), (void *)(g + sched_cfg.g_coroarg)) ||
	    bpf_probe_read_user(&next, sizeof(next), (void *)(coro + sched_cfg.coro_gp))) {
		count(SCHED_N_UNREADABLE);
		return 0;
	}
	if (!left_out(next))
		change(process, next, &runs, site, now);
	return 0;
}
