//! `grtmon gm` from the runtime's own counters: nothing is attached, nothing runs in the target.

use std::cmp::Reverse;
use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::cli;
use crate::event_loop;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::go::Binary;
use crate::go::ReadError;
use crate::go::binary::size_classes;
use crate::go::binary::size_classes::CLASS_BYTES;
use crate::go::process::heap_counters::Allocated;
use crate::go::process::heap_counters::HeapCounters;
use crate::model::account::Account;
use crate::model::account::Remark;
use crate::model::allocation;
use crate::model::allocation::Allocations;
use crate::model::allocation::Count;
use crate::model::allocation::Counters;
use crate::model::allocation::Report;
use crate::model::loss::Loss;
use crate::model::process::Named;
use crate::observe::by_process;
use crate::observe::reader;
use crate::observe::rows::Rows;
use crate::observe::stop;
use crate::render::account::About;
use crate::render::allocation as render;
use crate::render::allocation::json;
use crate::render::within::Within;
use crate::target::Target;
use crate::target::clock;
use crate::target::live::Live;
use crate::target::refusal;

use super::output;
use super::output::Output;
use super::session;
use crate::observe::allocated;

/// First readings that are tried before giving up: the counters of a busy process do not always hold still.
const FIRST_TRIES: u32 = 200;

/// Readings that are tried before a report shows counts that are a moment older.
const TRIES: u32 = 50;

/// How long readings may fail.
const PATIENCE: Duration = Duration::from_secs(5);

/// Processes whose counters can be read, and have been.
pub(super) struct Opened {
    targets: Vec<Target>,
    processes: Vec<Counted>,
}

/// One process.
struct Counted {
    live: Live,
    named: Named,
    counters: HeapCounters,
    at_first: Allocations,
    now: Allocations,
    read_at: Instant,
    /// See [`Live::began`].
    began: u64,
    /// What was allocated after the last reading, if it has ended or become another program, was not seen: how long that
    /// was at most.
    unseen: Option<Duration>,
}

/// Opens the processes and reads each once, so that nothing is announced that cannot be done.
pub(super) fn open(targets: Vec<Target>) -> Result<Opened> {
    let mut processes = Vec::new();
    for target in &targets {
        require_known_classes(&target.program.binary)?;
        for process in target.processes() {
            let live = reader::open_process(target, &process)?;
            if let Some(note) = live.copy_note() {
                output::warn(&note);
            }
            let named = by_process::named(target, live.process.pid.cast_unsigned());
            processes.push(Counted::open(live, named)?);
        }
    }
    if processes.is_empty() {
        bail!("none of the processes runs any more");
    }
    Ok(Opened { targets, processes })
}

/// Whether the counters mean what they are taken for.
pub(super) fn require_known_classes(binary: &Binary) -> Result<()> {
    if !size_classes::has_known_classes(binary) {
        bail!("this binary's size classes are not those grtmon knows");
    }
    Ok(())
}

/// Reads the counters of a process once: whether that can be done.
pub(super) fn try_on(binary: &Binary, live: &Live) -> Result<()> {
    require_known_classes(binary)?;
    first(live, &mut HeapCounters::default()).map(drop)
}

pub(super) fn run(opened: Opened, args: &cli::Gm) -> Result<ExitCode> {
    // Whoever reads the line below may send one at once.
    let stop = stop::on_signals()?;
    let names: Vec<String> = opened.targets.iter().map(Target::describe).collect();
    output::note(&format!(
        "Reading the allocation counters of {}… Ctrl-C to end.",
        names.join(", ")
    ));
    let mut command = GmCounters {
        processes: opened.processes,
        json: args.common.output == cli::Output::Json,
        all: args.all,
        by_pid: args.by.is_some(),
        timestamps: args.timestamps,
        began: Instant::now(),
        output: Output::observing()?,
    };
    let timing = session::reports(Some(args.interval), &args.common);
    let observed = event_loop::run(timing, &stop, &mut command);
    let ended = command.finish();
    command.output.end()?;
    observed.and(ended)?;
    Ok(ExitCode::SUCCESS)
}

impl Counted {
    fn open(live: Live, named: Named) -> Result<Self> {
        let mut counters = HeapCounters::default();
        let first = first(&live, &mut counters)?;
        let began = live.began().map_err(|why| unreadable(&live, why))?;
        let first = allocations(&first);
        Ok(Self {
            live,
            named,
            counters,
            at_first: first.clone(),
            now: first,
            read_at: Instant::now(),
            began,
            unseen: None,
        })
    }

    /// What it allocated since it was first read.
    fn allocated(&self) -> allocation::Allocated {
        allocation::Allocated {
            meanwhile: self.now.since(&self.at_first),
            counters: Some(Counters {
                processes: 1,
                since_start: self.now.clone(),
                unseen: self.unseen.unwrap_or_default(),
            }),
        }
    }

    /// Reads anew. What a process counted last stays when it has ended.
    fn refresh(&mut self, tries: u32) -> Result<()> {
        if self.unseen.is_some() {
            return Ok(());
        }
        let now = allocated::read(&mut self.counters, &self.live.view(), tries);
        match self.live.is_another(self.began) {
            Ok(false) => {}
            Err(why) if !self.live.has_ended(&why) => return Err(unreadable(&self.live, why)),
            Ok(true) | Err(_) => {
                self.unseen = Some(self.read_at.elapsed());
                return Ok(());
            }
        }
        match now {
            Ok(now) => {
                self.now = allocations(&now);
                self.read_at = Instant::now();
            }
            Err(why) if why.is_final() || self.read_at.elapsed() > PATIENCE => {
                return Err(unreadable(&self.live, why));
            }
            Err(_) => {}
        }
        Ok(())
    }
}

/// The first reading of the counters.
fn first(live: &Live, counters: &mut HeapCounters) -> Result<Allocated> {
    let first = allocated::read(counters, &live.view(), FIRST_TRIES);
    first.map_err(|why| unreadable(live, why))
}

fn unreadable(live: &Live, why: ReadError) -> anyhow::Error {
    let pid = live.process.pid;
    match why {
        ReadError::Memory(why) => refusal::explain(pid, &why),
        why => anyhow!("cannot read the allocation counters of process {pid}: {why}"),
    }
}

/// The runtime's counts as the table shows them. A tiny object that begins a block of 16 bytes is counted there; those
/// that share it take no more room.
fn allocations(counted: &Allocated) -> Allocations {
    let classes = CLASS_BYTES.iter().zip(counted.small).skip(1);
    let count = |bytes: u16, objects: u64| Count {
        objects,
        bytes: objects.saturating_mul(u64::from(bytes)),
    };
    Allocations {
        tiny: count(0, counted.tiny),
        classes: classes
            .map(|(bytes, objects)| (*bytes, count(*bytes, objects)))
            .collect(),
        large: Count {
            objects: counted.large,
            bytes: counted.large_bytes,
        },
    }
}

struct GmCounters {
    processes: Vec<Counted>,
    json: bool,
    all: bool,
    /// Processes are told apart.
    by_pid: bool,
    /// Times of day are shown.
    timestamps: bool,
    began: Instant,
    output: Output,
}

impl Observer for GmCounters {
    const POLLS: bool = false;

    fn poll(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        self.refresh()?;
        self.print("allocations", None)?;
        Ok(Flow::Continue)
    }

    /// Also reads, so that little is missed of a process that is about to end.
    fn check_targets(&mut self) -> Result<Flow> {
        for counted in &mut self.processes {
            counted.refresh(1)?;
        }
        let ended = |counted: &Counted| counted.unseen.is_some();
        Ok(if self.processes.iter().all(ended) {
            Flow::End
        } else {
            Flow::Continue
        })
    }
}

impl GmCounters {
    fn refresh(&mut self) -> Result<()> {
        let mut processes = self.processes.iter_mut();
        processes.try_for_each(|counted| counted.refresh(TRIES))
    }

    fn finish(&mut self) -> Result<()> {
        let read = self.refresh();
        let kept = self.processes.iter().map(|counted| counted.counters.kept());
        let kept = Loss {
            cause: "kept",
            meaning: "counts would not hold still and are those of the reading before",
            events: kept.fold(0, u64::saturating_add),
        };
        let finished = self.output.finish();
        let mut account = Account::default();
        let lost = [kept].into_iter().chain(self.output.lost_after(None));
        account.losses = lost.filter(|loss| loss.events > 0).collect();
        for counted in &self.processes {
            let pid = counted.live.process.pid;
            let mut note = |cause, text| {
                account.notes.add(Remark {
                    cause,
                    process: Some(pid.cast_unsigned()),
                    text,
                });
            };
            if let Some(text) = counted.live.copy_note() {
                note("fork_copy", text);
            }
            if let Some(unseen) = counted.unseen {
                let text = format!(
                    "process {pid} ended, or became another program by exec: what it allocated in its last {} ms at most is not counted (--source probes counts all)",
                    unseen.as_millis() + 1
                );
                output::warn(&text);
                note("unseen", text);
            }
        }
        let printed = self.print("end", Some(&account));
        if kept.events > 0 {
            output::warn(&format!("{} {}", kept.events, kept.meaning));
        }
        read.and(finished).and(printed)
    }

    fn print(&mut self, event: &str, account: Option<&Account>) -> Result<()> {
        let elapsed = self.began.elapsed();
        let mut found = Report::default();
        let mut each = Vec::new();
        for counted in &self.processes {
            let own = counted.allocated();
            found.total.merge(&own);
            each.push((counted.named.clone(), own));
        }
        if self.by_pid {
            each.sort_by_key(|(_, own)| Reverse(own.meanwhile.total().bytes));
            found.by_pid = Some(each);
        }
        if self.json {
            let about = About {
                event,
                time_unix_ns: clock::unix_ns()?,
                account,
            };
            json::report(&mut self.output.text, &found, elapsed, &about);
        } else {
            let within = Within {
                elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
                unix_ns: output::stamp(self.timestamps)?,
            };
            render::report(&mut self.output.text, &found, &within, self.all);
        }
        self.output.counts();
        self.output.flush()
    }
}
