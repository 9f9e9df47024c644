//! `grtmon doctor`: what can be seen of a program on this machine, by which means, and what is missing.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::go::VersionSource;
use crate::go::site::Site;
use crate::go::site::SiteKind;
use crate::go::site::events;
use crate::go::site::events::Event;
use crate::go::site::go_statements;
use crate::go::site::runtime_functions::Runtime;
use crate::model::report::Section;
use crate::model::report::Verdict;
use crate::probe;
use crate::probe::kernel::Kernel;
use crate::probe::method;
use crate::probe::sched::Options;
use crate::probe::site_check;
use crate::render::report;
use crate::target;
use crate::target::Selection;
use crate::target::Target;
use crate::target::checked::Checked;
use crate::target::memory::Way;

use super::doctor_commands::commands;
use super::doctor_fields;
use super::output;
use super::output::Output;
use super::sched;

/// Sites shown of an event that has many.
const SHOWN: usize = 6;

pub(super) fn run(args: &cli::Doctor) -> Result<ExitCode> {
    let mut sections = Vec::new();
    if let Some(selection) = selection(args) {
        for target in target::resolve(&selection)?.targets {
            let mut checked = Checked::of(&target);
            let mut about = binary(&checked);
            let (events, sites) = sites(&checked.runtime);
            code(&target, &sites, &mut about);
            sections.push(about);
            sections.push(events);
            sections.push(commands(&checked));
            if args.fields {
                sections.push(doctor_fields::fields(&mut checked));
            }
            target.program.require_unchanged()?;
        }
    }
    let kernel = Kernel::current()?;
    let can_probe = kernel.obstacle().is_none();
    sections.push(describe(&kernel));
    sections.push(kernel.rights.describe(kernel.has_uprobe_multi()));
    if can_probe {
        sections.push(memory());
    }

    let mut output = Output::new();
    match args.output {
        cli::Output::Text => report::text(&mut output.text, &sections, output::style(false)),
        cli::Output::Json => report::json(&mut output.text, &sections),
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn selection(args: &cli::Doctor) -> Option<Selection> {
    match (&args.binpath, args.pid.is_empty()) {
        (Some(path), _) => Some(Selection::File(path.clone())),
        (None, false) => Some(Selection::Pids(args.pid.clone())),
        (None, true) => None,
    }
}

fn binary(checked: &Checked<'_>) -> Section {
    let target = checked.target;
    let binary = &target.program.binary;
    let image = binary.image();
    let mut section = Section::new("Binary");
    section.fine("file", target.program.path.display().to_string());
    match (binary.version(), binary.version_source()) {
        (Some(version), VersionSource::Variable) => section.fine(
            "Go version",
            format!("{version}, from the variable runtime.buildVersion"),
        ),
        (Some(version), _) => {
            section.fine(
                "Go version",
                format!("{version}, from the build information"),
            );
        }
        (None, VersionSource::Implied { range, why }) => {
            section.lacking("Go version", format!("{range} ({why})"));
        }
        (None, _) => section.lacking("Go version", "not recorded"),
    }
    if let Some(info) = binary.build_info()
        && !info.main_module.is_empty()
    {
        section.fine(
            "main module",
            format!("{} {}", info.main_module, info.main_version),
        );
    }
    section.fine("machine", image.machine().to_string());
    let yes = |condition, yes: &'static str, no: &'static str| if condition { yes } else { no };
    let build = [
        yes(image.has_symbols(), "symbol table", "no symbol table"),
        yes(image.has_dwarf(), "DWARF", "no DWARF"),
        yes(image.is_pie(), "position-independent", "fixed address"),
        match binary.uses_cgo() {
            Some(true) => "cgo",
            Some(false) => "no cgo",
            None => "cgo unknown",
        },
    ];
    section.fine("build", build.join(", "));
    section.fine(
        "function table",
        format!("{} functions", binary.functions().len()),
    );
    section.fine("struct layouts", checked.runtime_info.layout.to_string());
    match &checked.check {
        Ok(report) if report.failures().next().is_none() => {
            section.fine("layout check", report.to_string());
        }
        Ok(report) => section.lacking("layout check", report.to_string()),
        Err(why) => section.fine("layout check", format!("not done: {why}")),
    }
    let processes = target.processes();
    let pids: Vec<String> = processes
        .iter()
        .map(|process| process.pid.to_string())
        .collect();
    let running = match pids.as_slice() {
        [] => "none".to_owned(),
        _ => pids.join(", "),
    };
    if let Some(unseen) = target.unseen_processes() {
        section.lacking("processes", format!("{running} that can be seen; {unseen}"));
    } else {
        section.fine("processes", running);
    }
    section
}

/// Whether the code at all sites is in memory as it is in the file.
fn code(target: &Target, sites: &[Site], section: &mut Section) {
    let processes = target.processes();
    if processes.is_empty() {
        return;
    }
    let (mut found, mut verdict) = (Vec::new(), Verdict::Fine);
    for process in processes.iter().filter(|it| target.runs(it)) {
        let (lines, is_fine) = site_check::describe(target, process, sites);
        found.extend(lines);
        if !is_fine {
            verdict = Verdict::Lacking;
        }
    }
    section.add("code", found, verdict);
}

/// The events and their sites, and all these sites.
fn sites(runtime: &Runtime<'_>) -> (Section, Vec<Site>) {
    let mut section = Section::new("Events");
    let mut all = Vec::new();
    for event in Event::ALL {
        match events::sites(runtime, event) {
            Ok(sites) if sites.is_empty() => {
                section.fine(event.describe(), "cannot happen in this program");
            }
            Ok(sites) => {
                let mut lines: Vec<String> = sites
                    .iter()
                    .take(SHOWN)
                    .map(|site| format!("{:x} {site}", site.vaddr))
                    .collect();
                if sites.len() > SHOWN {
                    lines.push(format!("and {} more", sites.len() - SHOWN));
                }
                let inlined =
                    |site: &&Site| matches!(site.kind, SiteKind::Copy | SiteKind::CopyBranch);
                match sites.iter().filter(inlined).count() {
                    0 => {}
                    copies => lines.push(format!("{copies} of these where it is inlined")),
                }
                section.add(event.describe(), lines, Verdict::Fine);
                all.extend(sites);
            }
            Err(why) => section.lacking(event.describe(), format!("not available: {why}")),
        }
    }
    match go_statements::start_functions(runtime) {
        Ok(starts) => section.fine(
            "go statements",
            format!(
                "{} of {} resolved to their start functions; those of the others are learned when they run",
                starts.resolved,
                starts.statements
            ),
        ),
        Err(why) => section.lacking("go statements", format!("not available: {why}")),
    }
    (section, all)
}

fn describe(kernel: &Kernel) -> Section {
    let mut section = Section::new("Kernel");
    section.fine("release", kernel.release.clone());
    let mut offer = |name: &str, has: bool, lack: &str| {
        if has {
            section.fine(name, "yes");
        } else {
            section.lacking(name, format!("no: {lack}"));
        }
    };
    offer("ring buffer", kernel.has_ring_buffer(), "needs Linux 5.8");
    offer(
        "uprobe cookies",
        kernel.has_cookies(),
        "needs Linux 5.15; sites are told apart by their addresses",
    );
    offer("uprobe.multi", kernel.has_uprobe_multi(), "needs Linux 6.6");
    offer(
        "BTF",
        kernel.has_btf(),
        "needed only before Linux 5.15 and with --attach tracefs, for position-independent programs, and in nested containers",
    );
    match target::memory::way() {
        Way::Call => section.fine("reading memory", "by process_vm_readv"),
        Way::File(why) => section.fine("reading memory", format!("through /proc/PID/mem: {why}")),
        Way::None(why) => {
            section.lacking(
                "reading memory",
                format!("no: {why}, and /proc/PID/mem cannot be read"),
            );
        }
    }
    match kernel.obstacle() {
        None => {
            section.fine("probes", "can be used");
            match method::best(kernel) {
                (method, None) => section.fine("attaching", method.describe()),
                (method, Some(why)) => {
                    section.lacking("attaching", format!("{}: {why:#}", method.describe()));
                }
            }
        }
        Some(obstacle) => section.lacking("probes", format!("cannot be used: {obstacle}")),
    }
    section
}

/// What the commands take of the kernel's memory, measured by making their maps.
fn memory() -> Section {
    let mut section = Section::new("Kernel memory");
    let mut add = |command: &str, bytes: Result<u64>, set_by: &str| match bytes {
        Ok(bytes) => {
            let mib = bytes as f64 / f64::from(1 << 20);
            section.fine(command, format!("{mib:.1} MiB{set_by}"));
        }
        Err(why) => section.lacking(command, format!("not known: {why:#}")),
    };
    let gr = probe::gr::Options::events(cli::BUFFER_KIB, cli::MAX_GOROUTINES);
    add(
        "gr",
        probe::gr::memory(&gr),
        " (set by --buffer and --max-goroutines)",
    );
    let seq = |by_fn| probe::gr::Options::histograms(by_fn, cli::MAX_GOROUTINES);
    add(
        "gr seq",
        probe::gr::memory(&seq(false)),
        " (set by --max-goroutines)",
    );
    add(
        "gr seq --by …",
        probe::gr::memory(&seq(true)),
        " (set by --max-goroutines)",
    );
    add("gc", probe::gc::memory(), "");
    let everything = sched::options_for_memory(cli::MAX_GOROUTINES);
    let plain = Options {
        by_fn: false,
        stacks: false,
        ..everything
    };
    add(
        "sched",
        probe::sched::memory(&plain),
        " (set by --max-goroutines)",
    );
    add(
        "sched --by … --stacks",
        probe::sched::memory(&everything),
        " (set by --max-goroutines)",
    );
    add(
        "gm",
        probe::gm::memory(&probe::gm::Options::of(false)),
        " with probes, none with counters",
    );
    add(
        "gm --by pid",
        probe::gm::memory(&probe::gm::Options::of(true)),
        " with probes, none with counters",
    );
    section
}
