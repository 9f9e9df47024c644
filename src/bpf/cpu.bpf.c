// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * What the processors do for the observed processes: a clock of each processor runs this program some hundred times a
 * second, and it notes where the thread is that is interrupted.
 *
 * The clock is the processor's, not the thread's: a clock of a thread begins anew with each thread and is set again at
 * each switch, so that it misses what lives shortly and costs the program for every switch.
 *
 * How a stack is noted. Go's functions keep frame records (cmd/compile/internal/ssagen, since Go 1.7 on x86-64), but a
 * function that is just beginning or ending, and one without a frame, has not got its own: the chain of records then
 * lacks the caller. So what is sent is the chain with the address of every record, some words at the stack pointer, and
 * the same of the goroutine's own stack where the thread runs on another (runtime.systemstack, morestack, C code). User
 * space walks the stack by the function table and takes its words from these: a walk that arrives at the goroutine's
 * first function has been right at every step.
 *
 * The thread stands still while this runs. What is read is memory of the program that may not be there, or wrong: each
 * reading is checked or harmless, and none brings a page in.
 */
#include "go.bpf.h"
#include "cpu.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* process */
	__type(value, struct cpu_process);
} cpu_processes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CPU_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} cpu_counters SEC(".maps");

/* So many words at the stack pointer that could be the begin of the chain are tried. */
#define CPU_CANDIDATES 8

/* Where a sample is put together: it is larger than the stack of a program. */
struct cpu_room {
	struct cpu_sample sample;
	__u64 candidates[CPU_CANDIDATES];
	__u32 found; /* how many there are; kept here as the verifier follows each value of a variable by itself */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_room);
} cpu_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} cpu_samples SEC(".maps");

/* Types that user space wants and nothing else here would mention. */
enum cpu_counter _cpu_counter = CPU_N_SAMPLES;
enum cpu_on _cpu_on = CPU_ON_UNKNOWN;
enum cpu_chain_kind _cpu_chain_kind = CPU_CHAIN_BROKEN;

static __always_inline void cpu_count(__u32 counter)
{
	__u64 *count = bpf_map_lookup_elem(&cpu_counters, &counter);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline __u64 cpu_user_word(__u64 at)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)at);
	return word;
}

/* A member; 0 if it is not known where it lies. */
static __always_inline __u64 cpu_member(__u64 base, __u32 offset)
{
	return offset != CPU_NOT_KNOWN ? cpu_user_word(base + offset) : 0;
}

/*
 * The thread's registers as it left its own code, whether it was interrupted there or in the kernel. They lie at the
 * top of its kernel stack; kernels since 5.15 say where. Before, that was known: with nothing above them on x86-64
 * (FRED, which keeps something there, is younger) and on arm64 (struct pt_regs, whose beginning is what user space
 * sees).
 */
static __always_inline int cpu_registers(struct go_regs *regs)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		struct task_struct *task = bpf_get_current_task_btf();

		return bpf_probe_read_kernel(regs, sizeof(*regs), (void *)bpf_task_pt_regs(task));
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();
		__u64 stack = (__u64)BPF_CORE_READ(task, stack);

		if (!stack)
			return -1;
		stack += CPU_KERNEL_STACK - bpf_core_type_size(struct pt_regs);
		return bpf_probe_read_kernel(regs, sizeof(*regs), (void *)stack);
	}
}

static __always_inline __u64 cpu_thread_pointer(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread.fsbase);
#else
	return BPF_CORE_READ(task, thread.uw.tp_value);
#endif
}

static __always_inline __u64 cpu_first_stack(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, mm, start_stack);
}

static __always_inline int cpu_is_go(const struct cpu_process *of, __u64 pc)
{
	return pc >= of->text_begin && pc < of->text_end;
}

/*
 * Follows frame records from `fp` on and notes them behind the first `from`. Returns how many. Whether the chain ended
 * as one does, behind the first function of its stack, or for there being too many, `*whole` says.
 *
 * Where C has called Go, the goroutine's stack goes on where it was left for C, but the chain goes to C's frames.
 * runtime.cgocallback (runtime/asm_amd64.s) puts a frame of its own there, above it where to return to, and above that
 * is the record of the function that called C. The return address is noted as if it had a record.
 */
static __always_inline __u32 cpu_chain(struct cpu_sample *sample, const struct cpu_process *of, __u64 fp, __u32 from,
				       int *whole)
{
	__u64 record[2] = {};
	__u32 i, at;
	int callback = 0;

	*whole = 0;
	for (i = 0; i < CPU_CHAIN; i++) {
		at = from + i;
		/* The compiler must not keep the place where a record goes apart from the number that is checked. */
		asm volatile("" : "+r"(at));
		if (!fp || fp & 7 || at >= CPU_RECORDS)
			break;
		if (bpf_probe_read_user(record, sizeof(record), (void *)fp))
			break;
		sample->record[at].at = fp;
		sample->record[at].back = record[1];
		if (callback) {
			callback = 0;
			fp += 16;
			continue;
		}
		if (record[0] == fp)
			return i + 1;
		callback = of->callback_frame && record[1] >= of->callback_begin && record[1] < of->callback_end;
		fp = callback ? fp + 8 + of->callback_frame : record[0];
	}
	*whole = i == CPU_CHAIN || (!fp && cpu_is_go(of, record[1]));
	return i;
}

/* The words at the stack pointer, as many as are wanted and there. Where the stack ends, the pieces below are there. */
static __always_inline void cpu_top(struct cpu_sample *sample, __u32 from, __u32 to)
{
	__u32 i;

	for (i = from; i < to; i += CPU_TOP_WORDS) {
		if (bpf_probe_read_user(&sample->top[i], CPU_TOP_WORDS * sizeof(__u64), (void *)(sample->sp + 8 * i)))
			break;
		sample->top_words = i + CPU_TOP_WORDS;
	}
}

/*
 * Where the chain could begin if assembly has put something else into the register: words on the stack that can be a
 * frame record of Go, point to another one above it, and are returned from into code. Some are left over from earlier
 * calls, in room that the function has not used yet: so the first that leads to the end of a stack is taken, and that
 * it is the right one, only the walk by the function table proves.
 */
static __always_inline void cpu_rescue(struct cpu_room *room, const struct cpu_process *of)
{
	struct cpu_sample *sample = &room->sample;
	__u64 record[2], at, next;
	__u32 i, found;
	int whole, leads_to_go = sample->records && cpu_is_go(of, sample->record[0].back);

	cpu_top(sample, CPU_TOP_WORDS, CPU_TOP_MOST);
	room->found = 0;
	for (i = 0; i < CPU_TOP_MOST - 1; i++) {
		if (i + 1 >= sample->top_words)
			break;
		at = sample->sp + 8 * i;
		next = sample->top[i];
		if (next <= at || next & 7 || !cpu_is_go(of, sample->top[i + 1]))
			continue;
		if (bpf_probe_read_user(record, sizeof(record), (void *)next) || !cpu_is_go(of, record[1]))
			continue;
		if (record[0] && record[0] <= next)
			continue;
		found = room->found;
		if (found >= CPU_CANDIDATES)
			break;
		room->candidates[found] = at;
		room->found = found + 1;
	}
	for (i = 0; i < CPU_CANDIDATES; i++) {
		if (i >= room->found)
			break;
		at = room->candidates[i];
		sample->records = cpu_chain(sample, of, at, 0, &whole);
		if (whole) {
			sample->chain = CPU_CHAIN_FOUND;
			return;
		}
	}
	/* The stack of a thread that C has made ends in C's code. */
	if (!leads_to_go && !room->found)
		return;
	at = leads_to_go ? sample->fp : room->candidates[0];
	sample->records = cpu_chain(sample, of, at, 0, &whole);
}

/* Whose g this is, and what is to be known of the goroutine. */
static __always_inline void cpu_goroutine(struct cpu_sample *sample, const struct cpu_process *of, __u64 g)
{
	__u64 m, curg, fp;
	int whole;
	__u32 cycles = 0;

	m = g && of->has_g ? cpu_member(g, of->g_m) : 0;
	if (!m)
		return;
	curg = cpu_member(m, of->m_curg);
	if (g == curg)
		sample->on = CPU_ON_GOROUTINE;
	else if (g == cpu_member(m, of->m_g0))
		sample->on = CPU_ON_SCHEDULER;
	else if (g == cpu_member(m, of->m_gsignal))
		sample->on = CPU_ON_SIGNAL;
	else
		return;
	if (!curg)
		return;
	sample->goid = cpu_member(curg, of->g_goid);
	sample->start_pc = cpu_member(curg, of->g_startpc);
	/* The number before the pointer: what was freed after it was read is then told by another number. */
	if (of->cycles && !bpf_probe_read_user(&cycles, sizeof(cycles), (void *)of->cycles)) {
		sample->cycles = cycles;
		sample->labels = cpu_member(curg, of->g_labels);
	}
	if (g == curg)
		return;
	/* Go's code on this stack was called through systemstack or the like; what is not Go's, by a goroutine that waits for
	 * it as for a system call (runtime/cgocall.go). */
	sample->other_sp = cpu_is_go(of, sample->pc) ? 0 : cpu_member(curg, of->g_syscallsp);
	if (sample->other_sp) {
		sample->other_pc = cpu_member(curg, of->g_syscallpc);
		sample->other_waits = 1;
	} else {
		sample->other_pc = cpu_member(curg, of->g_sched_pc);
		sample->other_sp = cpu_member(curg, of->g_sched_sp);
		sample->other_lr = cpu_member(curg, of->g_sched_lr);
	}
	if (!bpf_probe_read_user(sample->other_top, sizeof(sample->other_top), (void *)sample->other_sp))
		sample->other_words = CPU_OTHER_WORDS;
	fp = cpu_member(curg, of->g_sched_bp);
	sample->other_records = cpu_chain(sample, of, fp, sample->records, &whole);
	sample->other_chain = whole ? CPU_CHAIN_WHOLE : CPU_CHAIN_BROKEN;
}

static __always_inline void cpu_send(struct cpu_sample *sample)
{
	__u32 records = sample->records + sample->other_records;
	__u64 size;

	if (records > CPU_RECORDS)
		return;
	size = __builtin_offsetof(struct cpu_sample, record) + records * sizeof(struct cpu_record);
	if (size > sizeof(*sample))
		return;
	if (bpf_ringbuf_output(&cpu_samples, sample, size, BPF_RB_NO_WAKEUP))
		cpu_count(CPU_N_RING_FULL);
}

static __always_inline void cpu_take(void *ctx)
{
	struct go_regs regs;
	struct cpu_room *room;
	struct cpu_sample *sample;
	const struct cpu_process *of;
	__u32 process = go_process(), zero = 0;
	__u64 g;
	int whole;

	of = bpf_map_lookup_elem(&cpu_processes, &process);
	room = bpf_map_lookup_elem(&cpu_scratch, &zero);
	if (!of || !room)
		return;
	sample = &room->sample;
	cpu_count(CPU_N_SAMPLES);
	if (of->stack != cpu_first_stack()) {
		cpu_count(CPU_N_OTHER_PROGRAM);
		return;
	}
	if (cpu_registers(&regs)) {
		cpu_count(CPU_N_NO_REGISTERS);
		return;
	}
	__builtin_memset(sample, 0, __builtin_offsetof(struct cpu_sample, top));
	sample->time_ns = bpf_ktime_get_ns();
	sample->process = process;
	sample->thread = (__u32)bpf_get_current_pid_tgid();
	sample->cpu = bpf_get_smp_processor_id();
	sample->pc = GO_PC(&regs);
	sample->sp = GO_SP(&regs);
	sample->fp = GO_FP(&regs);
#if defined(__TARGET_ARCH_arm64)
	sample->lr = regs.regs[30];
#endif
	cpu_top(sample, 0, CPU_TOP_WORDS);
	if (!sample->top_words && !bpf_probe_read_user(sample->top, CPU_TOP_FEW * sizeof(__u64), (void *)sample->sp))
		sample->top_words = CPU_TOP_FEW;
	sample->records = cpu_chain(sample, of, sample->fp, 0, &whole);
	if (whole)
		sample->chain = CPU_CHAIN_WHOLE;
	else
		cpu_rescue(room, of);
	g = of->tls ? cpu_user_word(cpu_thread_pointer() + of->tls) : GO_G(&regs);
	cpu_goroutine(sample, of, g);
	cpu_send(sample);
}

SEC("perf_event") int cpu_sample(void *ctx)
{
	return GO_RUN(cpu_take, ctx);
}
