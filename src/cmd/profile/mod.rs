//! `grtmon profile`: where goroutines, memory and time are, as `net/http/pprof` would say, of any Go program.

mod base;
mod contention;
mod cpu;
mod file;
mod form;
mod goroutine;
mod heap;
mod heap_types;
mod taken;
mod threadcreate;
mod wall;

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::cli::ProfileArgs;
use crate::cli::ProfileKind;
use crate::cli::WaitArgs;
use crate::go::process::mapping::mapping;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;
use crate::observe::names::NameFilter;
use crate::observe::reader;
use crate::observe::rows::is_closed_pipe;
use crate::observe::stop;
use crate::target::Target;
use crate::target::clock;
use crate::target::live::Live;

use self::base::Base;
use self::contention::Kind;
use self::form::Form;
use self::taken::Taken;
use super::incarnation::Incarnation;
use super::output;
use super::output::Output;
use super::session;

/// Reads a process.
type Take<'t> = &'t dyn Fn(&Target, &Live, Mapping) -> Result<Taken>;

pub(super) fn run(args: &cli::Profile) -> Result<ExitCode> {
    match &args.kind {
        ProfileKind::Cpu(args) => {
            let stop = stop::on_signals()?;
            of_processes(&args.profile, &cpu::TYPES, &|target, live, mapping| {
                cpu::take(args, &stop, target, live, mapping)
            })
        }
        ProfileKind::Block(args) => waits(args, Kind::BLOCK),
        ProfileKind::Mutex(args) => waits(args, Kind::MUTEX),
        ProfileKind::Goroutine(args) => of_processes(args, &goroutine::TYPES, &goroutine::take),
        ProfileKind::Heap(args) if args.types => {
            let take: Take<'_> =
                &|target, live, mapping| heap_types::take(args, target, live, mapping);
            of_processes(&args.profile, &heap_types::TYPES, take)
        }
        ProfileKind::Heap(args) => of_processes(&args.profile, &heap::TYPES, &heap::take),
        ProfileKind::Threadcreate(args) => {
            of_processes(args, &threadcreate::TYPES, &threadcreate::take)
        }
        ProfileKind::Wall(args) => {
            let stop = stop::on_signals()?;
            of_processes(&args.profile, &wall::TYPES, &|target, live, mapping| {
                wall::take(args, &stop, target, live, mapping)
            })
        }
    }
}

fn waits(args: &WaitArgs, kind: Kind) -> Result<ExitCode> {
    let stop = stop::on_signals()?;
    of_processes(
        &args.profile,
        &contention::TYPES,
        &|target, live, mapping| {
            contention::take(args.duration, kind, &stop, target, live, mapping)
        },
    )
}

/// `types` is what it counts.
fn of_processes(args: &ProfileArgs, types: &[ValueType], take: Take<'_>) -> Result<ExitCode> {
    let form = Form::of(args)?;
    // Nobody waits for what will be refused.
    form::value(args, types)?;
    let base = args.diff.as_deref();
    let mut base = base.map(|path| Base::read(path, types)).transpose()?;
    if let (Some(base), Some(wanted)) = (&mut base, &args.r#fn) {
        let filter = NameFilter::new(wanted);
        base.profile.retain(|name| filter.matches(name));
    }
    if let Some(path) = &args.write {
        let shown = path.display();
        file::require_writable(path).with_context(|| format!("cannot write {shown}"))?;
    }
    let found = reader::find_all(&session::processes(&args.of.pid, args.of.children))?;
    let are_several = found.len() > 1;
    let is_of_one = args.write.is_some() || base.is_some() || form.is_file();
    if are_several && is_of_one {
        bail!("a profile is of one process: give one --pid");
    }
    let mut code = ExitCode::SUCCESS;
    for (target, _) in &found {
        match of_process(args, form, base.as_ref(), target, take) {
            Ok(()) => {}
            // Of several the others are shown all the same.
            Err(why) if are_several && !is_closed_pipe(&why) => {
                output::warn(&format!("{why:#}"));
                code = ExitCode::FAILURE;
            }
            Err(why) => return Err(why),
        }
    }
    Ok(code)
}

fn of_process(
    args: &ProfileArgs,
    form: Form,
    base: Option<&Base>,
    target: &Target,
    take: Take<'_>,
) -> Result<()> {
    let live = reader::open(target)?;
    if let Some(note) = live.copy_note() {
        output::warn(&note);
    }
    let program = Incarnation::of(&live)?;
    let taken = take(target, &live, mapping(&target.name, &target.program.binary));
    let mut taken = match (taken, program.check(&live)) {
        (taken, Ok(())) => taken?,
        // Samples are of the program that was there.
        (Ok(mut taken), Err(why)) if taken.profile.duration_ns.is_some() => {
            taken.warnings.push(format!("{why:#}"));
            taken
        }
        // Whatever else was read of another program is nothing, an error too.
        (_, Err(why)) => return Err(why),
    };
    target.program.require_unchanged()?;
    taken.profile.unix_ns = clock::unix_ns()?;
    if let Some(wanted) = &args.r#fn {
        let filter = NameFilter::new(wanted);
        taken.profile.retain(|name| filter.matches(name));
        let note = format!("only stacks with a function that matches {wanted}");
        taken.profile.notes.push(note);
    }
    let notes = std::iter::once(&taken.about).chain(&taken.warnings);
    taken.profile.notes.extend(notes.cloned());
    output::note(&format!("{}: {}", target.describe(), taken.about));
    if let Some(base) = base {
        let since = base.since(&taken.profile);
        output::note(&since.about);
        taken.profile.notes.push(since.about);
        taken.profile.notes.extend(since.warnings.iter().cloned());
        taken.warnings.extend(since.warnings);
    }
    show(args, form, &live, &taken.profile, base)?;
    taken.warnings.iter().for_each(|line| output::warn(line));
    Ok(())
}

fn show(
    args: &ProfileArgs,
    form: Form,
    live: &Live,
    profile: &Profile,
    base: Option<&Base>,
) -> Result<()> {
    let base = base.map(|base| &base.profile);
    let (bytes, after) = form.bytes(args, profile, base, live.process.pid.cast_unsigned())?;
    if let Some(path) = &args.write {
        let shown = path.display();
        file::write(path, &bytes).with_context(|| format!("cannot write {shown}"))?;
        output::note(&format!("written to {shown}"));
    } else {
        let mut output = Output::new();
        if form.is_file() {
            return output.binary(bytes);
        }
        output.text = bytes;
        output.flush()?;
    }
    if let Some(after) = after {
        output::note(&after);
    }
    Ok(())
}
