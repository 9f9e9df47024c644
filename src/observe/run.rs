//! Every observation by probes, from the first look at a binary to the last line: what is alike for all the commands that
//! set probes. A command says what differs ([`Observation`]).
//!
//! Once a gate is open there is one way out, whatever happens: the gates are closed, the probes go, what was recorded is
//! taken, and the account is given (what was lost, what it has cost, what ended it).

use std::process::ExitCode;

use anyhow::Result;
use typed_arena::Arena;

use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::model::account::Account;
use crate::model::account::Remark;
use crate::model::loss;
use crate::probe::Plan;
use crate::probe::Probes;
use crate::probe::overhead::Overhead;
use crate::target::Target;
use crate::target::clock;
use crate::target::watch::Watch;
use crate::target::witness::Witness;

use super::Observation;
use super::Observed;
use super::Session;
use super::Voice;
use super::changes::Change;
use super::changes::Changes;
use super::cost::Allowed;
use super::cost::CostWatch;
use super::rows::is_closed_pipe;
use super::session::Ending;
use super::session::Setting;

mod replaced;

/// Observes until the end, which may be that of the command that was started for it.
///
/// # Errors
/// The first thing that failed; the account has been given all the same.
pub fn run<O: Observation>(
    mut session: Session,
    targets: Vec<Target>,
    allowed: Allowed,
    timing: Timing,
    command: O,
) -> Result<ExitCode> {
    let voice = session.voice;
    let known = Arena::new();
    let targets: &[Target] = known.alloc_extend(targets);
    let mut run = Run {
        command,
        known: &known,
        all: Vec::new(),
        setting: session.setting(),
        cost: CostWatch::new(allowed, session.method, targets),
        account: Account::default(),
        voice,
        is_ending: false,
    };
    for target in targets {
        let one = run.set_up(target)?;
        run.all.push(one);
    }
    run.command.ready(&mut run.all, session.method)?;
    let observed = run.observe(&mut session, targets, timing);
    let accounted = run.finish();
    let ending: Ending = match (observed, accounted) {
        (Err(why), Err(besides)) => {
            let is_said = format!("{besides:#}") == format!("{why:#}");
            if !is_said && !is_closed_pipe(&besides) {
                voice.warn(&format!("{besides:#}"));
            }
            return Err(why);
        }
        (observed, accounted) => {
            let ending = observed?;
            accounted?;
            ending
        }
    };
    ending.exit_code()
}

/// An observation under way.
struct Run<'a, O: Observation> {
    command: O,
    /// Every target there was.
    known: &'a Arena<Target>,
    all: Vec<Observed<'a, O>>,
    setting: Setting,
    cost: CostWatch<'a>,
    account: Account,
    voice: &'static dyn Voice,
    /// Nothing new is begun any more.
    is_ending: bool,
}

/// What all probes have cost together.
pub fn overhead<O: Observation>(all: &[Observed<'_, O>]) -> Result<Overhead> {
    all.iter().try_fold(Overhead::default(), |sum, one| {
        Ok(sum.and(one.probes.overhead()?))
    })
}

impl<'a, O: Observation> Run<'a, O> {
    /// Sets the probes of a target. The gate stays closed.
    fn set_up(&mut self, target: &'a Target) -> Result<Observed<'a, O>> {
        let (plan, own) = self.command.plan(target)?;
        let shortcomings = plan.shortcomings().iter();
        shortcomings.for_each(|shortcoming| self.voice.warn(shortcoming));
        let place = self.setting.place(target, plan.sites().len())?;
        let changes = Changes::of(target, &place);
        let probes = self.command.attach(target, &plan, &place)?;
        if self.command.counted().is_some() {
            // Nothing is found out any more when the gate is open.
            target.program.runtime_info();
        }
        let mut one = Observed {
            target,
            probes,
            witness: None,
            watch: Watch::of(&target.processes()),
            own,
            changes,
            is_over: false,
        };
        self.command.prepare(&mut one)?;
        Ok(one)
    }

    /// Opens the gates of those from this one on.
    fn open(&mut self, first: usize) -> Result<()> {
        let new = self.all.get_mut(first..).unwrap_or_default();
        let begun_ns = clock::monotonic_ns()?;
        for one in &mut *new {
            one.probes.open_gate(begun_ns)?;
        }
        self.command.opened(new, begun_ns)?;
        if let Some(counted) = self.command.counted() {
            for one in new {
                one.witness = Some(Witness::begin(one.target, counted));
            }
        }
        Ok(())
    }

    fn observe(
        &mut self,
        session: &mut Session,
        targets: &[Target],
        timing: Timing,
    ) -> Result<Ending> {
        self.open(0)?;
        self.note_unseen();
        // Whoever reads this may rely on it that nothing is missed from now on.
        self.announce(targets);
        self.command.begin(&mut self.all)?;
        if let Some(unseen) = self.cost.begin() {
            self.voice.warn(&unseen);
        }
        session.observe(timing, self)
    }

    /// The line that says what is being done to whom.
    fn announce(&self, targets: &[Target]) {
        let names: Vec<String> = targets.iter().map(Target::describe).collect();
        let names = names.join(", ");
        let what = O::WHAT;
        self.voice
            .note(&format!("Tracing {what} of {names}… Ctrl-C to end."));
    }

    /// Something has ended the observation, or a part of it: said now, and in the last line.
    fn ends(&mut self, remark: Remark) {
        let text = remark.text.clone();
        if self.account.endings.add(remark) {
            self.voice.warn(&text);
        }
    }

    /// Something is to be known: said now, and in the last line.
    fn note(&mut self, remark: Remark) {
        let text = remark.text.clone();
        if self.account.notes.add(remark) {
            self.voice.warn(&text);
        }
    }

    /// Of which processes something passes no probe.
    fn note_unseen(&mut self) {
        let all = self.all.iter_mut();
        let found: Vec<Remark> = all.flat_map(|one| one.changes.unseen(one.target)).collect();
        found.into_iter().for_each(|remark| self.note(remark));
    }

    /// Who has ended or become another program, and what else has happened.
    fn look_round(&mut self) -> Result<()> {
        let mut happened = Vec::new();
        let mut replaced = Vec::new();
        for (index, one) in self.all.iter_mut().enumerate() {
            for process in one.probes.remembered() {
                one.watch.meet(process);
            }
            for gone in one.watch.take_gone(one.target) {
                happened.extend(
                    gone.became
                        .map(|file| Change::Ends(exec(gone.process, &file))),
                );
                self.command.forget(one, gone.process)?;
            }
            if one.changes.has_been_replaced(one.target) {
                replaced.push(index);
            }
            for change in one.changes.look(one.target, &mut one.watch) {
                if matches!(change, Change::EndsAll(_)) {
                    one.is_over = true;
                    // The runtime goes on counting.
                    one.witness = None;
                    one.probes.close()?;
                }
                happened.push(change);
            }
        }
        for change in happened {
            match change {
                Change::Ends(remark) | Change::EndsAll(remark) => self.ends(remark),
                Change::Note(remark) => self.note(remark),
                Change::Said(line) => self.voice.note(&line),
            }
        }
        if !self.is_ending {
            replaced.into_iter().for_each(|index| self.replaced(index));
        }
        Ok(())
    }

    /// Whether nobody is left to observe.
    fn is_over(&self) -> bool {
        self.all
            .iter()
            .all(|one| one.is_over || one.target.has_ended())
    }

    /// The one way out. What fails here keeps nothing else from being done; the first failure is returned.
    fn finish(&mut self) -> Result<()> {
        self.is_ending = true;
        let mut first = Ok(());
        let mut keep = |result: Result<()>| {
            if first.is_ok() {
                first = result;
            }
        };
        for one in &mut self.all {
            one.witness.iter_mut().for_each(Witness::look);
        }
        self.command.closing();
        for one in &mut self.all {
            keep(one.probes.close());
        }
        let left: Vec<Remark> = self
            .all
            .iter()
            .flat_map(|one| one.changes.look_back())
            .collect();
        left.into_iter().for_each(|remark| self.note(remark));
        self.note_unseen();
        keep(self.look_round());
        keep(self.command.drain(&mut self.all));
        let mut contradictions = Vec::new();
        for one in &self.all {
            match one.probes.losses() {
                Ok(losses) => {
                    // What was lost may be what is missing.
                    let is_all = losses.iter().all(|loss| loss.events == 0);
                    if let Some(witness) = one.witness.as_ref().filter(|_| is_all) {
                        match self.command.passed(one) {
                            Ok(seen) => contradictions.extend(witness.contradiction(seen)),
                            Err(why) => keep(Err(why)),
                        }
                    }
                    loss::merge(&mut self.account.losses, &losses);
                }
                Err(why) => keep(Err(why.context("what was lost is not known"))),
            }
        }
        for text in contradictions {
            self.note(Remark {
                cause: "contradiction",
                process: None,
                text,
            });
        }
        match overhead(&self.all) {
            Ok(spent) => self.account.cost = Some(self.cost.end(spent)),
            Err(why) => keep(Err(why)),
        }
        // What is not written by now goes into the account.
        let output = self.command.output();
        keep(output.finish());
        let lost = output.lost_after(None);
        loss::merge(&mut self.account.losses, lost.as_slice());
        keep(self.command.end(&mut self.all, &self.account));
        let output = self.command.output();
        keep(output.finish());
        let more = output.lost_after(lost);
        loss::merge(&mut self.account.losses, more.as_slice());
        output.close(&self.account);
        first
    }
}

/// A process runs another program.
fn exec(process: u32, file: &str) -> Remark {
    Remark {
        cause: "exec",
        process: Some(process),
        text: format!(
            "process {process} has become another program by exec ({file}): what it does from now on is not seen"
        ),
    }
}

impl<O: Observation> Observer for Run<'_, O> {
    const POLLS: bool = O::POLLS;

    fn poll(&mut self) -> Result<Flow> {
        self.command.take(&mut self.all)
    }

    fn report(&mut self) -> Result<Flow> {
        self.command.report(&mut self.all)
    }

    fn check_targets(&mut self) -> Result<Flow> {
        self.command.look(&mut self.all)?;
        self.look_round()?;
        let all = &self.all;
        if let Some(dear) = self.cost.judge(|| overhead(all))? {
            self.ends(Remark {
                cause: "too_dear",
                process: None,
                text: format!("detaching: {dear}"),
            });
            return Ok(Flow::End);
        }
        Ok(if self.is_over() {
            Flow::End
        } else {
            Flow::Continue
        })
    }
}
