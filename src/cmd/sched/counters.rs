//! `grtmon sched` from the runtime's own counters: nothing is attached, nothing runs in the target.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;

use crate::cli;
use crate::event_loop;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::go::ReadError;
use crate::go::process::metrics;
use crate::go::process::runtime_stats::RuntimeStats;
use crate::model::account::Account;
use crate::model::account::Remark;
use crate::model::metric::Value;
use crate::model::run_queue::Queue;
use crate::model::run_queue::Scheduling;
use crate::observe::reader;
use crate::observe::rows::Rows;
use crate::observe::stop;
use crate::render::account::About;
use crate::render::sched::counters as render;
use crate::render::within::Within;
use crate::target::clock;
use crate::target::live::Live;
use crate::target::refusal;

use super::timing::reports;
use crate::cmd::output;
use crate::cmd::output::Output;

/// First readings that are tried before giving up: a busy process does not always hold still.
const FIRST_TRIES: u32 = 50;

pub(super) fn run(args: &cli::Sched) -> Result<ExitCode> {
    if args.by == Some(cli::By::Pid) {
        bail!("--source counters reads one process: there is nothing to tell apart by process");
    }
    if args.by.is_some() || args.r#fn.is_some() || args.stacks {
        bail!("the runtime's counters know no start functions and no stacks: use --source probes");
    }
    let pid = match args.target.pid[..] {
        [pid] => pid,
        [] => bail!(
            "--source counters reads a process that runs already: start the command first and name it with --pid, or use --source probes"
        ),
        [..] => bail!("--source counters reads one process: give one --pid"),
    };
    let target = reader::find(pid)?;
    let live = reader::open(&target)?;
    if let Some(note) = live.copy_note() {
        output::warn(&note);
    }
    let before = first(&live)?;
    // Whoever reads the line below may send one at once.
    let stop = stop::on_signals()?;
    output::note(&format!(
        "Reading the scheduler's counters of {}… Ctrl-C to end.",
        target.describe()
    ));
    let mut command = Counters {
        live,
        now: before.clone(),
        before,
        queue: Queue::default(),
        began: Instant::now(),
        timestamps: args.look.timestamps,
        json: args.common.output == cli::Output::Json,
        output: Output::observing()?,
    };
    let timing = reports(args);
    let observed = event_loop::run(timing, &stop, &mut command);
    let read = command.refresh();
    let finished = command.output.finish();
    let mut account = Account {
        losses: command.output.lost_after(None).into_iter().collect(),
        ..Account::default()
    };
    if let Some(text) = command.live.copy_note() {
        account.notes.add(Remark {
            cause: "fork_copy",
            process: Some(pid.cast_unsigned()),
            text,
        });
    }
    let ended = read.and(finished).and(command.print("end", Some(&account)));
    command.output.end()?;
    observed.and(ended)?;
    Ok(ExitCode::SUCCESS)
}

/// The first reading, so that nothing is announced that cannot be done.
fn first(live: &Live) -> Result<Scheduling> {
    let mut tries = 1;
    loop {
        match read(live) {
            Ok(scheduling) => return Ok(scheduling),
            Err(why) if why.is_final() || tries == FIRST_TRIES => {
                return Err(unreadable(live, why));
            }
            Err(_) => tries += 1,
        }
    }
}

/// The counters now.
fn read(live: &Live) -> Result<Scheduling, ReadError> {
    let runtime_stats = RuntimeStats::read(live.view())?;
    let mut scheduling = Scheduling {
        latencies: runtime_stats.latencies().ok(),
        ..Scheduling::default()
    };
    for metric in metrics::metrics(&runtime_stats) {
        match (metric.name, metric.value) {
            ("/gc/pauses:seconds", Ok(Value::Distribution(it))) => scheduling.gc_pauses = Some(it),
            ("/sched/pauses/total/other:seconds", Ok(Value::Distribution(it))) => {
                scheduling.other_pauses = Some(it);
            }
            ("/sync/mutex/wait/total:seconds", Ok(Value::Fraction(seconds))) => {
                scheduling.mutex_wait_ns = Some((seconds.max(0.0) * 1e9).round() as u64);
            }
            _ => {}
        }
    }
    Ok(scheduling)
}

fn unreadable(live: &Live, why: ReadError) -> anyhow::Error {
    let pid = live.process.pid;
    match why {
        ReadError::Memory(why) => refusal::explain(pid, &why),
        why => anyhow!("cannot read the scheduler's counters of process {pid}: {why}"),
    }
}

struct Counters {
    live: Live,
    before: Scheduling,
    now: Scheduling,
    queue: Queue,
    began: Instant,
    /// Times of day are shown.
    timestamps: bool,
    json: bool,
    output: Output,
}

impl Observer for Counters {
    /// Looks at the run queues; a look that fails because the process did not hold still is none.
    fn poll(&mut self) -> Result<Flow> {
        let read =
            RuntimeStats::read(self.live.view()).map(|runtime_stats| runtime_stats.runnable());
        if let Ok(Some(runnable)) = read {
            self.queue.add(runnable);
        }
        Ok(Flow::Continue)
    }

    fn report(&mut self) -> Result<Flow> {
        self.refresh()?;
        self.print("sched", None)?;
        Ok(Flow::Continue)
    }

    /// Also reads, so that little is missed of a process that is about to end.
    fn check_targets(&mut self) -> Result<Flow> {
        self.refresh()?;
        Ok(if self.live.process.is_alive() {
            Flow::Continue
        } else {
            Flow::End
        })
    }
}

impl Counters {
    /// Reads anew; what was read last stays when the process does not hold still, or has ended.
    fn refresh(&mut self) -> Result<()> {
        match read(&self.live) {
            Ok(now) => self.now = now,
            Err(why) if why.is_final() && !self.live.has_ended(&why) => {
                return Err(unreadable(&self.live, why));
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn print(&mut self, event: &str, account: Option<&Account>) -> Result<()> {
        let mut came = self.now.since(&self.before);
        came.elapsed_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        came.queue = self.queue;
        let text = &mut self.output.text;
        if self.json {
            let about = About {
                event,
                time_unix_ns: clock::unix_ns()?,
                account,
            };
            render::json(text, &came, &about);
        } else {
            let within = Within {
                elapsed_ns: came.elapsed_ns,
                unix_ns: output::stamp(self.timestamps)?,
            };
            render::text(text, &came, &within, output::style(true));
        }
        self.output.counts();
        self.output.flush()
    }
}
