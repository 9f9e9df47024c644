//! `grtmon dump --core`: the goroutines of a process that is no more, the one that it died of first.

use std::path::Path;

use anyhow::Context;
use anyhow::Result;

use crate::cli;
use crate::go::ProcessView;
use crate::go::RuntimeInfo;
use crate::go::process::goroutines::GoroutineReader;
use crate::model::dump::Dump;
use crate::model::dump::End;
use crate::model::dump::Goroutine;
use crate::target::core_dump;
use crate::target::core_dump::CoreDump;

use super::dump_filter::require_states;
use super::dump_show::Show;
use super::dump_show::require_none;
use super::output;

pub(super) fn run(args: &cli::Dump, path: &Path) -> Result<()> {
    let dump = CoreDump::open(path, args.binpath.as_deref())?;
    if let Some(why) = &dump.incomplete {
        output::warn(why);
    }
    show(args, &dump).with_context(|| format!("cannot use {}", path.display()))
}

fn show(args: &cli::Dump, dump: &CoreDump) -> Result<()> {
    let core = &dump.core;
    let mut runtime_info = RuntimeInfo::clone(dump.program.runtime_info());
    let bias = runtime_info.bias(dump.entered_at);
    let memory = core.memory(dump.program.binary.image(), bias);
    runtime_info.settle(&memory, bias);
    let view = ProcessView {
        memory: &memory,
        runtime_info: &runtime_info,
        bias,
    };
    let halted = core.halted(&memory);
    let handled = halted.threads.first().and_then(|it| it.interrupted);
    let mut reader = GoroutineReader::new(&dump.program.binary, &view)?.halted(halted);
    require_states(&args.state, reader.wait_reasons())?;
    let name = dump.program.path.file_name();
    let name = name.unwrap_or(dump.program.path.as_os_str());
    let mut end = End {
        name: name.to_string_lossy().into_owned(),
        pid: core.pid(),
        signal: core.death().map(|it| core_dump::signal_name(it.signal)),
        handled: handled.map(|(_, signal)| core_dump::signal_name(signal)),
        cut_off: core.cut_off(),
        ..End::default()
    };
    let goroutines = reader.read(&memory);
    let may_lack_some = reader.may_lack_some(&memory);
    let mut goroutines = match (goroutines, end.cut_off) {
        (Err(why), Some((there, whole))) => {
            return Err(why).context(format!(
                "the core dump is cut off: {there} of {whole} bytes are there, too few to find goroutines"
            ));
        }
        (result, _) => result?,
    };
    if end.signal.is_some() {
        end.goid = reader.died_in(&view)?;
    }
    if let Some(goid) = end.goid {
        put_first(&mut goroutines.goroutines, goid);
        place(&mut end, &goroutines);
    }
    dump.require_unchanged()?;
    let show = Show::new(args, &dump.program.binary, &end.name).with_end(&end);
    let absent = show.dump(&goroutines)?;
    if may_lack_some {
        output::warn(
            "the runtime's list of goroutines is in the part that is cut off: shown are those found by looking through the rest; there were others",
        );
    }
    require_none(&absent, &end.name)
}

fn put_first(goroutines: &mut [Goroutine], goid: u64) {
    if let Some(at) = goroutines.iter().position(|one| one.goid == goid)
        && let Some(before) = goroutines.get_mut(..=at)
    {
        before.rotate_right(1);
    }
}

/// Where the program itself was when it ended.
fn place(end: &mut End, dump: &Dump) {
    let first = dump.goroutines.first();
    let Some(stack) = first.and_then(|one| dump.stack_of(one)) else {
        return;
    };
    let of_runtime = |name: &str| {
        let ways_there = ["runtime.", "internal/runtime/", "syscall."];
        ways_there.iter().any(|prefix| name.starts_with(prefix))
    };
    let mut frames = stack.frames.iter().map(|frame| &frame.place);
    let inner = frames.position(|place| !of_runtime(&place.function));
    let inner = inner.unwrap_or(0);
    let at = |index: usize| stack.frames.get(index).map(|frame| &frame.place);
    end.place = at(inner).cloned();
    end.fault = inner
        .checked_sub(1)
        .and_then(at)
        .is_some_and(|place| place.function == "runtime.sigpanic");
}
