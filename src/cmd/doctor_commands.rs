//! What each command will show of a program, and why not the rest: found out as the commands themselves do. Where probes
//! go is decided as for an observation, what is read is looked for as for a reading; only nothing is attached.

use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::cli;
use crate::go::layout::globals::contention::ContentionGlobals;
use crate::go::needs;
use crate::go::process::contention_profile;
use crate::go::process::contention_profile::Which;
use crate::go::process::g;
use crate::go::process::goroutines::GoroutineReader;
use crate::go::process::memory_profile;
use crate::go::process::runtime_stats::RuntimeStats;
use crate::go::process::thread_creation;
use crate::model::report::Section;
use crate::observe::cpu_profile;
use crate::probe;
use crate::probe::Plan;
use crate::probe::gc;
use crate::probe::kernel::Kernel;
use crate::target::checked::Checked;
use crate::target::fork_copy;
use crate::target::live::Live;

use super::doctor_fields::add_command;
use super::gm_counters;
use super::sched;

/// The one that looks at processors, and reads where to look.
const CPU: &str = "profile cpu";

/// The one that looks at goroutines for a while.
const WALL: &str = "profile wall";

/// The commands that read.
const READING: [&str; 12] = [
    "dump",
    "profile block",
    CPU,
    "profile goroutine",
    "profile heap",
    "profile mutex",
    "profile threadcreate",
    WALL,
    "stat",
    "top",
    "ps",
    "gm",
];

/// Those that list goroutines,
const OF_GOROUTINES: [&str; 4] = ["dump", "profile goroutine", WALL, "top"];

/// and those of them that do nothing else.
const LISTS: [&str; 3] = ["dump", "profile goroutine", WALL];

/// Those that say themselves what they lack.
const KNOWING: [&str; 5] = [
    "dump",
    "profile goroutine",
    CPU,
    "profile block",
    "profile mutex",
];

/// What a command will not do, or not show.
#[derive(Default)]
struct Lacks {
    lines: Vec<String>,
    refused: bool,
}

impl Lacks {
    /// It does nothing at all: said before all else, and once.
    fn refuse(&mut self, why: &str) {
        if !std::mem::replace(&mut self.refused, true) {
            self.lines = vec![format!("refused: {why}")];
        }
    }

    /// It does nothing, but for what is done in another way.
    fn refuse_but(&mut self, other: &str, why: &str) {
        self.refused = true;
        self.lines = vec![format!("refused, but for {other}: {why}")];
    }

    fn unknown(&mut self, what: &str) {
        if !self.refused {
            self.lines.push(format!("?: {what}"));
        }
    }

    /// It does nothing with this option.
    fn without(&mut self, option: &str, why: &anyhow::Error) {
        if !self.refused {
            self.lines.push(format!("{option} is refused: {why:#}"));
        }
    }

    /// What a plan of probes says.
    fn plan<P: Plan>(&mut self, plan: Result<P>) {
        match plan {
            Ok(plan) => plan
                .shortcomings()
                .iter()
                .for_each(|shortcoming| self.unknown(shortcoming)),
            Err(why) => self.refuse(&format!("{why:#}")),
        }
    }
}

/// The section about commands.
pub(super) fn commands(checked: &Checked<'_>) -> Section {
    let mut section = Section::new("Commands");
    probing(checked, &mut section);
    reading(checked, &mut section);
    section
}

fn probing(checked: &Checked<'_>, section: &mut Section) {
    let target = checked.target;
    let plugins = target.plugins();
    let plugin = plugins.first().map(|(_, plugin)| plugin);
    let idle = fork_copy::notes(target);
    let mut add = |name: &str, mut lacks: Lacks| {
        idle.iter().for_each(|(_, note)| lacks.unknown(note));
        if let Some(plugin) = plugin {
            lacks.unknown(&format!("what plugins do ({plugin})"));
        }
        add_command(section, name, lacks.lines, checked);
    };
    let mut lacks = Lacks::default();
    let options = probe::gr::Options::events(cli::BUFFER_KIB, cli::MAX_GOROUTINES);
    lacks.plan(probe::gr::Plan::of(checked, &options));
    add("gr", lacks);

    let mut lacks = Lacks::default();
    let options = probe::gr::Options::histograms(false, cli::MAX_GOROUTINES);
    lacks.plan(probe::gr::Plan::of(checked, &options));
    add("gr seq", lacks);

    let mut lacks = Lacks::default();
    match plugin {
        Some(plugin) => lacks.refuse_but("--source counters", plugin),
        None => {
            let everything = sched::options_for_memory(cli::MAX_GOROUTINES);
            let plain = probe::sched::Options {
                by_fn: false,
                stacks: false,
                ..everything
            };
            lacks.plan(probe::sched::Plan::of(checked, &plain));
            let with = |what| match what {
                "--stacks" => probe::sched::Options {
                    stacks: true,
                    ..plain
                },
                _ => probe::sched::Options {
                    by_fn: true,
                    ..plain
                },
            };
            for what in ["--by fn", "--stacks"] {
                if let Err(why) = probe::sched::Plan::of(checked, &with(what)) {
                    lacks.without(what, &why);
                }
            }
        }
    }
    add("sched", lacks);

    for (name, wanted) in [
        ("gc", gc::Wanted::Everything),
        ("gc --cycles", gc::Wanted::Cycles),
    ] {
        let mut lacks = Lacks::default();
        lacks.plan(gc::Plan::of(target, wanted));
        add(name, lacks);
    }
}

fn reading(checked: &Checked<'_>, section: &mut Section) {
    let (layout, globals) = (&checked.runtime_info.layout, &checked.runtime_info.globals);
    let live = open(checked);
    for name in READING {
        let mut lacks = Lacks::default();
        let tried = match &live {
            Ok(Some(live)) => read(name, checked, live),
            Ok(None) => not_told(name, checked),
            Err(why) => Err(anyhow!("{why:#}")),
        };
        if OF_GOROUTINES.contains(&name) {
            let shortcomings = g::shortcomings(layout);
            shortcomings.iter().for_each(|what| lacks.unknown(what));
        }
        if name == CPU {
            let binary = &checked.target.program.binary;
            let shortcomings = cpu_profile::shortcomings(binary, &checked.runtime_info);
            shortcomings.iter().for_each(|what| lacks.unknown(what));
        }
        if let Ok(Some(live)) = &live
            && let Some(note) = live.copy_note()
        {
            lacks.unknown(&note);
        }
        for need in needs::of(name).filter(|_| !KNOWING.contains(&name)) {
            if let Some(why) = need.lack(layout, globals) {
                lacks.unknown(&format!("{} ({why})", need.what));
            }
        }
        match (tried, name) {
            (Ok(()), _) => {}
            (Err(why), "gm") if probe::gm::Plan::of(checked.target).is_ok() => {
                lacks.refuse_but("--source probes", &format!("{why:#}"));
            }
            // It says what it can of each process.
            (Err(why), "ps") => {
                lacks.lines.clear();
                lacks.unknown(&format!("goroutines, heap and collections ({why:#})"));
            }
            (Err(why), _) => lacks.refuse(&format!("{why:#}")),
        }
        add_command(section, name, lacks.lines, checked);
    }
}

/// The process that is asked, if there is one.
fn open(checked: &Checked<'_>) -> Result<Option<Live>> {
    let Some(process) = checked.target.running_process() else {
        return Ok(None);
    };
    let live = checked.open(&process)?;
    live.require_begun()?;
    Ok(Some(live))
}

/// Reads once what the command reads.
fn read(name: &str, checked: &Checked<'_>, live: &Live) -> Result<()> {
    if name == CPU {
        return require_samples();
    }
    if name == "gm" {
        return gm_counters::try_on(&checked.target.program.binary, live);
    }
    let view = live.view();
    if name == "profile heap" {
        memory_profile::read(&view)?;
    }
    if name == "profile threadcreate" {
        thread_creation::read(&view)?;
    }
    if let Some(which) = waits(name) {
        let globals = ContentionGlobals::of(&checked.runtime);
        contention_profile::read(&view, &globals, which)?;
    }
    if OF_GOROUTINES.contains(&name) {
        GoroutineReader::new(&checked.target.program.binary, &view)?;
    }
    if ["stat", "top", "ps"].contains(&name) {
        RuntimeStats::read(view)?;
    }
    if ["stat", "top", WALL].contains(&name) {
        live.began()?;
    }
    Ok(())
}

/// The same where there is no process, as far as the binary tells.
fn not_told(name: &str, checked: &Checked<'_>) -> Result<()> {
    let globals = &checked.runtime_info.globals;
    if name == CPU {
        return require_samples();
    }
    if ["profile heap", "profile threadcreate"].contains(&name) {
        return profiled(name, checked);
    }
    if let Some(which) = waits(name) {
        let globals = ContentionGlobals::of(&checked.runtime);
        return match contention_profile::obstacle(&globals, which) {
            Some(why) => bail!(why),
            None => Ok(()),
        };
    }
    if OF_GOROUTINES.contains(&name)
        && let Some(why) = g::obstacle(&checked.runtime_info.layout)
    {
        bail!(why);
    }
    if globals.allgs.is_none() {
        bail!("the variable runtime.allgs was not found in the binary");
    }
    if !LISTS.contains(&name) && globals.allp.is_none() {
        bail!("the variable runtime.allp was not found in the binary");
    }
    if name == "gm" {
        gm_counters::require_known_classes(&checked.target.program.binary)?;
    }
    Ok(())
}

/// Whether it is one of those that tell of waits.
fn waits(name: &str) -> Option<Which> {
    match name {
        "profile block" => Some(Which::Waited),
        "profile mutex" => Some(Which::LetWait),
        _ => None,
    }
}

/// Whether processors can be looked at.
fn require_samples() -> Result<()> {
    match Kernel::current()?.obstacle_to_samples() {
        Some(obstacle) => bail!(obstacle),
        None => Ok(()),
    }
}

/// Whether a profile can be read at all; of what is missing besides, the needs of the command tell.
fn profiled(name: &str, checked: &Checked<'_>) -> Result<()> {
    if name == "profile heap" && !checked.runtime_info.keeps_memory_profile {
        bail!(memory_profile::NONE_KEPT);
    }
    Ok(())
}
