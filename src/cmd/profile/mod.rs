//! `grtmon profile`: where goroutines, memory and time are, as `net/http/pprof` would say, of any Go program.

mod account;
mod base;
mod contention;
mod cpu;
mod file;
mod form;
mod goroutine;
mod heap;
mod heap_types;
mod processes;
mod sampled;
mod several;
mod started;
mod subject;
mod taken;
mod threadcreate;
mod wall;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::cli::ProfileArgs;
use crate::cli::ProfileKind;
use crate::cli::WaitArgs;
use crate::model::profile::ValueType;
use crate::observe::cpu_profile;

use self::contention::Kind;
use self::processes::Take;
use self::processes::Watch;
use self::processes::Way;

pub(super) fn run(args: &cli::Profile) -> Result<ExitCode> {
    match &args.kind {
        ProfileKind::Cpu(args) => {
            let watch: Watch<'_> = &|subjects, stop, begun| cpu::take(args, subjects, stop, begun);
            let check = &cpu_profile::require;
            processes::run(&args.profile, &cpu::TYPES, Way::While { check, watch })
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
            let watch: Watch<'_> =
                &|subjects, stop, begun| wall::take_all(args, subjects, stop, begun);
            let check = &|| Ok(());
            processes::run(&args.profile, &wall::TYPES, Way::While { check, watch })
        }
    }
}

fn waits(args: &WaitArgs, kind: Kind) -> Result<ExitCode> {
    let take: Watch<'_> =
        &|subjects, stop, _| contention::take_all(args.duration, kind, stop, subjects);
    processes::run(&args.profile, &contention::TYPES, Way::Perhaps(take))
}

/// As they are now. `types` is what it counts.
fn of_processes(args: &ProfileArgs, types: &[ValueType], take: Take<'_>) -> Result<ExitCode> {
    processes::run(args, types, Way::Now(take))
}
