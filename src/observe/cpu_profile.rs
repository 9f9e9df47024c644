//! What processors do for one process, by stacks, for a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;

use crate::go::Binary;
use crate::go::ReadMemory;
use crate::go::RuntimeInfo;
use crate::go::binary::plugins::Tables;
use crate::go::isa::amd64::thread_local::Distance;
use crate::go::layout::Field;
use crate::go::layout::current_g;
use crate::go::layout::current_g::CurrentG;
use crate::go::process::callback;
use crate::go::process::label_sets;
use crate::go::process::label_sets::LabelSet;
use crate::go::process::label_sets::LabelSets;
use crate::go::process::sampled_stack::Found;
use crate::go::process::sampled_stack::Leaf;
use crate::go::process::sampled_stack::SampledStacks;
use crate::go::process::unwind::Trace;
use crate::model::profile::End;
use crate::model::profile::Sampling;
use crate::probe::cpu::CpuProbes;
use crate::probe::cpu::Layout;
use crate::probe::cpu::NOT_KNOWN;
use crate::target::Scope;
use crate::target::Target;
use crate::target::code_maps::CodeMaps;
use crate::target::live::Live;

/// Fields that tell which goroutine a thread runs, and on which stack it is;
const OF_THREADS: [Field; 4] = [Field::GM, Field::MCurg, Field::MG0, Field::MGsignal];
/// where that goroutine has left its own stack;
const OF_STACKS: [Field; 3] = [Field::GSchedSp, Field::GSchedPc, Field::GSchedBp];
/// and where it has called C code.
const OF_CALLS: [Field; 2] = [Field::GSyscallsp, Field::GSyscallpc];

/// Those that lead to its labels.
const OF_LABELS: [Field; 2] = [Field::GLabels, Field::WorkCycles];

/// How often what was sampled is taken, and the process looked at,
const TURN: Duration = Duration::from_millis(25);
/// and how often where goroutines bear labels, which are to be read before the next garbage collection.
const SHORT_TURN: Duration = Duration::from_millis(2);

/// Where threads were, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Where {
    /// The stack, in link-time addresses; empty if nothing is known of it.
    pub trace: Trace,
    /// Not in code of Go: what the first frame has called, by the name of its file.
    pub elsewhere: Option<Arc<str>>,
    /// The labels of the goroutine.
    pub labels: Labels,
    /// The outermost frames are missing.
    pub is_cut: bool,
}

/// What is known of labels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Labels {
    /// These; none, if nothing has labelled it.
    Known(Option<Arc<LabelSet>>),
    /// There were some.
    Lost,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct CpuProfile {
    /// How many samples were taken where.
    pub samples: HashMap<Where, u64>,
    /// How, and what is known of them.
    pub sampling: Sampling,
}

/// Samples the process of `live`, `hz` times a second of each processor, until `time` is over, `stop` says so or it ends.
/// `begun` is called when it has begun.
///
/// # Errors
/// The kernel refuses, or the process runs another program now.
pub fn take(
    target: &Target,
    live: &Live,
    hz: u32,
    time: Duration,
    stop: &Receiver<()>,
    begun: impl FnOnce(),
) -> Result<CpuProfile> {
    let binary = &target.program.binary;
    let process = &live.process;
    let mut probes = CpuProbes::load(&Scope::Only(vec![process.clone()]))?;
    probes.watch(process, &layout(binary, live)?)?;
    let tables = Tables::with(binary, &live.runtime_info.plugins);
    let mut stacks = SampledStacks::new(binary, tables, live.bias);
    let mut profile = CpuProfile::default();
    profile.sampling.hz = hz;
    let mut trace = Trace::default();
    let mut maps = CodeMaps::new(process);
    let mut sets = LabelSets::of(binary, &live.view());
    let mut add = |profile: &mut CpuProfile, probes: &mut CpuProbes| {
        probes.take(|sample| {
            let (found, leaf) = stacks.walk(sample, &mut trace);
            match found {
                Found::Proved => profile.sampling.proved += 1,
                Found::Cut => profile.sampling.cut += 1,
                Found::Chained => profile.sampling.chained += 1,
                Found::Nothing => profile.sampling.bare += 1,
            }
            let labels = match (sample.labels, &mut sets) {
                (Some(seen), Some(sets)) => match sets.read(&live.memory, seen) {
                    Some(set) => Labels::Known(Some(set)),
                    None => Labels::Lost,
                },
                _ => Labels::Known(None),
            };
            profile.sampling.labelled += u64::from(labels != Labels::Known(None));
            if labels == Labels::Lost {
                profile.sampling.unlabelled += 1;
            }
            let place = Where {
                labels,
                trace: trace.clone(),
                elsewhere: match leaf {
                    Leaf::Go => None,
                    Leaf::Elsewhere(pc) => Some(maps.name(pc)),
                },
                is_cut: found == Found::Cut,
            };
            *profile.samples.entry(place).or_default() += 1;
        })
    };
    let loaded = process.loaded()?;
    let before = process.cpu_ns();
    let from = Instant::now();
    probes.start(hz)?;
    begun();
    let mut after = before;
    let end = from + time;
    let mut looked = from;
    profile.sampling.end = loop {
        let left = end.saturating_duration_since(Instant::now());
        let turn = match profile.sampling.labelled {
            0 => TURN,
            _ => SHORT_TURN,
        };
        let was_asked = super::stop::wait_until(Instant::now() + left.min(turn), stop);
        let is_over = was_asked || left.is_zero();
        if !is_over && looked.elapsed() < TURN {
            add(&mut profile, &mut probes)?;
            continue;
        }
        looked = Instant::now();
        // Of one that has ended there is none.
        after = process.cpu_ns().or(after);
        let has_ended = !process.is_alive();
        add(&mut profile, &mut probes)?;
        if has_ended {
            break End::Process;
        }
        // What is not to be had at this moment, is at another.
        if matches!(process.loaded(), Ok(Some(now)) if Some(&now) != loaded.as_ref()) {
            break End::Exec;
        }
        match (was_asked, is_over) {
            (true, _) => break End::Asked,
            (_, true) => break End::Time,
            _ => {}
        }
    };
    probes.stop()?;
    add(&mut profile, &mut probes)?;
    let sampling = &mut profile.sampling;
    sampling.elapsed_ns = u64::try_from(from.elapsed().as_nanos()).unwrap_or(u64::MAX);
    sampling.losses = probes.losses()?;
    sampling.cpu_ns = before
        .zip(after)
        .map(|(before, after)| after.saturating_sub(before));
    Ok(profile)
}

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

/// Where things lie in the process.
fn layout(binary: &Binary, live: &Live) -> Result<Layout> {
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
        cycles: label_sets::cycles(&live.view()).unwrap_or(0),
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
