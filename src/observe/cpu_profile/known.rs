//! What is known of a program and a process that is sampled: where things lie, for the probes, and what cannot be shown.

use anyhow::Context;
use anyhow::Result;

use crate::go::Binary;
use crate::go::ReadMemory;
use crate::go::RuntimeInfo;
use crate::go::isa::amd64::thread_local::Distance;
use crate::go::layout::Field;
use crate::go::layout::current_g;
use crate::go::layout::current_g::CurrentG;
use crate::go::process::callback;
use crate::go::process::label_sets::LabelSets;
use crate::probe::cpu::Layout;
use crate::probe::cpu::NOT_KNOWN;
use crate::target::live::Live;

/// Fields that tell which goroutine a thread runs, and on which stack it is;
const OF_THREADS: [Field; 4] = [Field::GM, Field::MCurg, Field::MG0, Field::MGsignal];
/// where that goroutine has left its own stack;
const OF_STACKS: [Field; 3] = [Field::GSchedSp, Field::GSchedPc, Field::GSchedBp];
/// and where it has called C code.
const OF_CALLS: [Field; 2] = [Field::GSyscallsp, Field::GSyscallpc];

/// Those that lead to its labels.
const OF_LABELS: [Field; 2] = [Field::GLabels, Field::WorkCycles];

/// What cannot be shown of a program, each with the reason, in words.
pub fn shortcomings(binary: &Binary, known: &RuntimeInfo) -> Vec<String> {
    let layout = &known.layout;
    let lacks = |fields: &[Field]| {
        let mut fields = fields.iter();
        fields.find_map(|field| layout.require_checked(*field).err())
    };
    let threads = match current_g::of(binary) {
        Some(_) => lacks(&OF_THREADS).map(|why| why.to_string()),
        None => Some("the program does not tell where a thread keeps its g".to_owned()),
    };
    let stacks = lacks(&OF_STACKS).map(|why| why.to_string());
    let list = lacks(&OF_LABELS).map(|why| why.to_string());
    let labels = list.or_else(|| LabelSets::obstacle(binary, known.globals.work));
    let calls = lacks(&OF_CALLS).map(|why| why.to_string());
    let all = [
        (
            threads,
            "whose goroutine a thread runs, and what is below the scheduler's stack",
        ),
        (stacks, "where goroutines go on below the scheduler's stack"),
        (calls, "what has called C code"),
        (labels, "labels of goroutines"),
    ];
    all.into_iter()
        .filter_map(|(why, what)| Some(format!("not known: {what} ({})", why?)))
        .collect()
}

/// Where the process counts its garbage collections, by its run-time address.
fn cycles(live: &Live) -> Option<u64> {
    let known = &live.runtime_info;
    let offset = known.layout.require_checked(Field::WorkCycles).ok()?;
    let work = known.globals.work?;
    Some(work.wrapping_add(live.bias).wrapping_add(offset.into()))
}

/// `None`: labels cannot be read.
pub(super) fn label_sets(binary: &Binary, live: &Live) -> Option<LabelSets> {
    live.runtime_info
        .layout
        .require_checked(Field::GLabels)
        .ok()?;
    LabelSets::new(binary, cycles(live)?)
}

/// Where things lie in the process.
pub(super) fn layout(binary: &Binary, live: &Live) -> Result<Layout> {
    let loaded = live.process.loaded()?;
    let loaded = loaded.with_context(|| format!("process {} has ended", live.process.pid))?;
    let known = &live.runtime_info.layout;
    let at = |field: Field| known.require_checked(field).unwrap_or(NOT_KNOWN);
    let before = |offset: u32| match offset {
        NOT_KNOWN => NOT_KNOWN,
        offset => offset.checked_sub(8).unwrap_or(NOT_KNOWN),
    };
    let tls = match current_g::of(binary) {
        Some(CurrentG::Register) => Some(0),
        Some(CurrentG::ThreadLocal(Distance::Known(distance))) => Some(distance),
        Some(CurrentG::ThreadLocal(Distance::In(word))) => {
            live.memory.i64(word.wrapping_add(live.bias)).ok()
        }
        None => None,
    };
    let text = &live.runtime_info.text;
    let callback = callback::of(binary).unwrap_or_default();
    Ok(Layout {
        stack: loaded.stack,
        text_begin: text.start.wrapping_add(live.bias),
        text_end: text.end.wrapping_add(live.bias),
        tls: tls.unwrap_or(0),
        g_m: at(Field::GM),
        g_sched_sp: at(Field::GSchedSp),
        g_sched_pc: at(Field::GSchedPc),
        g_sched_bp: at(Field::GSchedBp),
        g_sched_lr: before(at(Field::GSchedBp)),
        g_syscallsp: at(Field::GSyscallsp),
        g_syscallpc: at(Field::GSyscallpc),
        g_goid: at(Field::GGoid),
        g_startpc: at(Field::GStartpc),
        g_labels: at(Field::GLabels),
        cycles: cycles(live).unwrap_or(0),
        m_g0: at(Field::MG0),
        m_curg: at(Field::MCurg),
        m_gsignal: at(Field::MGsignal),
        has_g: tls.is_some().into(),
        callback_frame: callback.frame,
        callback_begin: callback.code.start.wrapping_add(live.bias),
        callback_end: callback.code.end.wrapping_add(live.bias),
        ..Layout::default()
    })
}
