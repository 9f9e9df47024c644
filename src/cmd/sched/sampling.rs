//! `grtmon sched` from looks at some goroutines at random moments: nothing is attached, nothing runs in the target.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::event_loop;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::POLL;
use crate::go::process::goroutines::Picked;
use crate::model::account::Account;
use crate::model::account::Remark;
use crate::model::dump::Goroutine;
use crate::model::dump::State;
use crate::model::process::Named;
use crate::model::sampled;
use crate::model::sampled::Doing;
use crate::model::sampled::Report;
use crate::model::sampled::Tally;
use crate::observe::by_process::named;
use crate::observe::looks::Look;
use crate::observe::looks::Looks;
use crate::observe::names::NameFilter;
use crate::observe::reader;
use crate::observe::rows::Rows;
use crate::observe::stop;
use crate::render::account::About;
use crate::render::sched::sampling as render;
use crate::render::within::Within;
use crate::target::clock;

use super::timing::reports;
use crate::cmd::output;
use crate::cmd::output::Output;
use crate::cmd::session;

/// Looks a second: so many take a hundredth or two of a processor of ours.
const HZ: u32 = 49;

pub(super) fn run(args: &cli::Sched) -> Result<ExitCode> {
    if args.stacks {
        bail!("--source sampling tells states and start functions; stacks: grtmon profile wall");
    }
    if args.sample > 1 {
        bail!("--sample is of probes: --source sampling looks at some goroutines anyway");
    }
    if args.target.pid.is_empty() {
        bail!(
            "--source sampling looks at processes that run already: start the command first and name it with --pid, or use --source probes"
        );
    }
    let selection = session::processes(&args.target.pid, args.target.children);
    let found = reader::find_all(&selection)?;
    let mut lives = Vec::new();
    for (target, _) in &found {
        let live = reader::open(target)?;
        if let Some(note) = live.copy_note() {
            output::warn(&note);
        }
        lives.push(live);
    }
    let mut processes = Vec::new();
    for ((target, process), live) in found.iter().zip(&lives) {
        processes.push(Process {
            looks: Looks::begin(target, live, HZ)?,
            named: named(target, process.pid.cast_unsigned()),
            states: Tally::default(),
            by_fn: Tally::default(),
            is_over: false,
        });
    }
    // Whoever reads the line below may send one at once.
    let stop = stop::on_signals()?;
    let names: Vec<String> = found.iter().map(|(target, _)| target.describe()).collect();
    output::note(&format!(
        "Looking at goroutines of {}… Ctrl-C to end.",
        names.join(", ")
    ));
    let mut command = Sampling {
        processes,
        report: Report::default(),
        by_fn: args.by == Some(cli::By::Fn),
        by_pid: args.by == Some(cli::By::Pid),
        filter: args.r#fn.as_ref().map(NameFilter::new),
        system: args.system,
        account: Account::default(),
        began: Instant::now(),
        timestamps: args.look.timestamps,
        wide: args.look.wide,
        json: args.common.output == cli::Output::Json,
        output: Output::observing()?,
    };
    if !command.json {
        output::tell_left_out(&render::fit(output::style(true).wide(command.wide)));
    }
    let observed = event_loop::run(reports(args), &stop, &mut command);
    let finished = command.output.finish();
    command.account.losses = command.output.lost_after(None).into_iter().collect();
    let ended = finished.and(command.print("end", true));
    command.output.end()?;
    observed.and(ended)?;
    Ok(ExitCode::SUCCESS)
}

/// One process.
struct Process<'a> {
    looks: Looks<'a>,
    named: Named,
    states: Tally,
    by_fn: Tally,
    is_over: bool,
}

struct Sampling<'a> {
    processes: Vec<Process<'a>>,
    /// What is the same of all processes.
    report: Report,
    by_fn: bool,
    by_pid: bool,
    filter: Option<NameFilter>,
    system: bool,
    account: Account,
    began: Instant,
    /// Times of day are shown.
    timestamps: bool,
    wide: bool,
    json: bool,
    output: Output,
}

impl Observer for Sampling<'_> {
    /// Looks at those whose moment comes before the next poll: at that moment, and not when it is polled, which is regular.
    fn poll(&mut self) -> Result<Flow> {
        let until = Instant::now() + POLL;
        while let Some(index) = self.due(until) {
            self.look(index)?;
        }
        Ok(match self.processes.iter().all(|one| one.is_over) {
            true => Flow::End,
            false => Flow::Continue,
        })
    }

    fn report(&mut self) -> Result<Flow> {
        self.print("sched", false)?;
        Ok(Flow::Continue)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

impl Sampling<'_> {
    /// The process whose look is the next one, if it comes before this.
    fn due(&self, until: Instant) -> Option<usize> {
        let there = self.processes.iter().enumerate();
        let next = there
            .filter(|(_, one)| !one.is_over)
            .min_by_key(|(_, one)| one.looks.next())?;
        (next.1.looks.next() < until).then_some(next.0)
    }

    fn look(&mut self, index: usize) -> Result<()> {
        let Some(one) = self.processes.get_mut(index) else {
            return Ok(());
        };
        thread::sleep(one.looks.next().saturating_duration_since(Instant::now()));
        match one.looks.look()? {
            Look::Missed => self.report.missed += 1,
            Look::Ended => one.is_over = true,
            Look::Replaced => {
                one.is_over = true;
                let process = one.named.number;
                let text = format!(
                    "process {process} has become another program by exec: what it does from now on is not seen"
                );
                output::warn(&text);
                self.account.endings.add(Remark {
                    cause: "exec",
                    process: Some(process),
                    text,
                });
            }
            Look::Picked(picked, time) => {
                self.report.looks += 1;
                self.report.unread += picked.dump.missing.goroutines;
                self.report.samples += one.add(&picked, time, self.filter.as_ref());
            }
        }
        Ok(())
    }

    fn result(&self) -> Report {
        let mut report = Report {
            elapsed_ns: u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX),
            by_fn: self.by_fn.then(Vec::new),
            by_pid: self.by_pid.then(Vec::new),
            ..self.report.clone()
        };
        for one in &self.processes {
            sampled::merge(&mut report.states, one.states.times());
            if let Some(by_fn) = &mut report.by_fn {
                sampled::merge(by_fn, one.by_fn.times());
            }
            if let Some(by_pid) = &mut report.by_pid {
                let mut times = one.states.times();
                for time in &mut times {
                    time.doing.process = Some(one.named.clone());
                }
                by_pid.extend(times);
            }
        }
        sampled::sort(&mut report.states);
        report
            .by_fn
            .iter_mut()
            .for_each(|times| sampled::sort(times));
        report
            .by_pid
            .iter_mut()
            .for_each(|times| sampled::sort(times));
        report
    }

    fn print(&mut self, event: &str, is_last: bool) -> Result<()> {
        let report = self.result();
        let text = &mut self.output.text;
        if self.json {
            let about = About {
                event,
                time_unix_ns: clock::unix_ns()?,
                account: is_last.then_some(&self.account),
            };
            render::json(text, &report, &about);
        } else {
            let within = Within {
                elapsed_ns: report.elapsed_ns,
                unix_ns: output::stamp(self.timestamps)?,
            };
            let style = output::style(true).wide(self.wide);
            render::text(text, &report, self.system, &within, style);
        }
        self.output.counts();
        self.output.flush()
    }
}

impl Process<'_> {
    /// Adds what was seen, of goroutines whose start functions match; gives how many there were.
    fn add(&mut self, picked: &Picked, time: Duration, filter: Option<&NameFilter>) -> u64 {
        let (mut states, mut by_fn) = (HashMap::new(), HashMap::new());
        let mut samples = 0;
        for one in &picked.dump.goroutines {
            let function = one.start.as_deref().map(|start| &start.function);
            if filter.is_some_and(|filter| !function.is_some_and(|name| filter.matches(name))) {
                continue;
            }
            samples += u64::from(!one.system);
            let doing = doing(one);
            *states.entry(doing.clone()).or_default() += 1;
            let function = function.map(|name| Arc::from(&**name));
            *by_fn.entry(Doing { function, ..doing }).or_default() += 1;
        }
        let each = picked.listed as f64 / (picked.picked as f64).max(1.0);
        self.states.add(time.as_secs_f64(), each, states);
        self.by_fn.add(time.as_secs_f64(), each, by_fn);
        samples
    }
}

fn doing(one: &Goroutine) -> Doing {
    Doing {
        state: one.activity().into(),
        waits: matches!(one.state, State::Waiting | State::Leaked),
        system: one.system,
        function: None,
        process: None,
    }
}
