//! Records of `gc.bpf.c` turned into model types.

use crate::bpf::gc::types::gc_cycle;
use crate::bpf::gc::types::gc_flag;
use crate::bpf::gc::types::gc_forced;
use crate::bpf::gc::types::gc_head;
use crate::bpf::gc::types::gc_kind;
use crate::bpf::gc::types::gc_reason;
use crate::bpf::gc::types::gc_stw;
use crate::bpf::gc::types::gc_sweep;
use crate::bpf::gc::types::gc_sweepers;
use crate::bpf::gc::types::gc_trigger;
use crate::go::site::gc;
use crate::model::gc::CycleRecord;
use crate::model::gc::Stw;
use crate::model::gc::Trigger;
use crate::model::gc::sweep::Moment;
use crate::model::gc::sweep::SweepMoment;

/// One record of the ring buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Stw(Stw),
    Cycle(Box<CycleRecord>),
    Sweep(SweepMoment),
}

impl Record {
    /// Whether it does not contradict itself.
    pub(super) fn is_plausible(&self) -> bool {
        match self {
            Self::Stw(stw) => stw.is_plausible(),
            Self::Cycle(cycle) => cycle.is_plausible(),
            // What is wrong with these is wrong with the record of the cycle too.
            Self::Sweep(_) => true,
        }
    }
}

/// A record; `None` if it is of a kind or size that the programs do not write. `reasons` are the runtime's words by
/// number.
pub(super) fn decode(bytes: &[u8], reasons: &[String]) -> Option<Record> {
    let head: &gc_head = plain::from_bytes(bytes).ok()?;
    let moment = match gc_kind(u32::from(head.kind)) {
        gc_kind::GC_STW => return Some(Record::Stw(stw(plain::from_bytes(bytes).ok()?, reasons))),
        gc_kind::GC_CYCLE => {
            return Some(Record::Cycle(Box::new(cycle(
                plain::from_bytes(bytes).ok()?,
            ))));
        }
        gc_kind::GC_SWEEP_DRAINED => Moment::Drained,
        gc_kind::GC_SWEEP_FLUSHED => Moment::Flushed,
        gc_kind::GC_SWEEP_PARKED => Moment::Parked,
        gc_kind::GC_SWEEP_DONE => Moment::Done,
        _ => return None,
    };
    Some(Record::Sweep(sweep(plain::from_bytes(bytes).ok()?, moment)))
}

fn stw(raw: &gc_stw, reasons: &[String]) -> Stw {
    let reason = reason(raw, reasons);
    // `work.cycles` counts every cycle begun: it tells something about the stops of cycles only.
    let of_a_cycle = reason.as_deref().is_some_and(gc::is_gc_reason) && raw.cycle != 0;
    Stw {
        process: raw.head.process,
        begin_ns: raw.begin_ns,
        stopped_ns: (raw.stopped_ns != 0).then_some(raw.stopped_ns),
        end_ns: raw.end_ns,
        cycle: if of_a_cycle {
            u32::try_from(raw.cycle).ok()
        } else {
            None
        },
        reason,
    }
}

fn reason(raw: &gc_stw, reasons: &[String]) -> Option<String> {
    let why = u32::from(raw.head.why);
    match gc_reason(why) {
        gc_reason::GC_REASON_UNKNOWN => None,
        gc_reason::GC_REASON_TEXT => {
            let text: Vec<u8> = raw.text.iter().map(|byte| byte.cast_unsigned()).collect();
            let text = text.get(..usize::from(raw.head.text_len))?;
            Some(gc::reason_of_preemptoff(std::str::from_utf8(text).ok()?).to_owned())
        }
        _ => {
            let number = usize::try_from(why - gc_reason::GC_REASON_NUMBER.0).ok()?;
            Some(
                reasons
                    .get(number)
                    .cloned()
                    .unwrap_or_else(|| format!("reason {number}")),
            )
        }
    }
}

fn cycle(raw: &gc_cycle) -> CycleRecord {
    let trigger = match gc_trigger(u32::from(raw.head.why)) {
        gc_trigger::GC_TRIGGER_HEAP => Some(Trigger::Heap),
        gc_trigger::GC_TRIGGER_TIME => Some(Trigger::Periodic),
        gc_trigger::GC_TRIGGER_CYCLE => Some(Trigger::Forced),
        _ => None,
    };
    CycleRecord {
        process: raw.head.process,
        cycle: raw.cycle,
        trigger,
        forced: match gc_forced(raw.forced) {
            gc_forced::GC_FORCED_UNKNOWN => trigger == Some(Trigger::Forced),
            forced => forced == gc_forced::GC_FORCED,
        },
        leak_check: u32::from(raw.head.flags) & gc_flag::GC_LEAK_CHECK.0 != 0,
        stw_procs: raw.stw_procs,
        max_procs: raw.max_procs,
        sweep_term_ns: raw.sweep_term_ns,
        mark_ns: raw.mark_ns,
        mark_term_ns: raw.mark_term_ns,
        end_ns: raw.end_ns,
        pause_ns: raw.pause_ns,
        heap_before: raw.heap_before,
        heap_at_end: raw.heap_at_end,
        heap_after: raw.heap_after,
        heap_goal: raw.heap_goal,
        stack_bytes: raw.stack_bytes,
        globals_bytes: raw.globals_bytes,
        assist_ns: raw.assist_ns,
        dedicated_ns: raw.dedicated_ns,
        fractional_ns: raw.fractional_ns,
        idle_ns: raw.idle_ns,
        cpu_fraction_bits: raw.cpu_fraction,
        init_ns: raw.init_ns,
    }
}

fn sweep(raw: &gc_sweep, moment: Moment) -> SweepMoment {
    SweepMoment {
        process: raw.head.process,
        moment,
        at_ns: raw.at_ns,
        cycle: raw.cycle,
        sweepers: (raw.sweepers != gc_sweepers::GC_SWEEPERS_UNKNOWN.0).then_some(raw.sweepers),
        sweep_term_ns: raw.sweep_term_ns,
        mark_term_ns: raw.mark_term_ns,
        end_ns: raw.end_ns,
    }
}
