//! Every observation by probes, from the first look at a binary to the last line: what is alike for all the commands that
//! set probes. A command says what differs ([`Observation`]).
//!
//! Once a gate is open there is one way out, whatever happens: the gates are closed, the probes go, what was recorded is
//! taken, and the account is given (what was lost, what it has cost, what ended it).

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Common;
use crate::event_loop::Flow;
use crate::event_loop::Observer;
use crate::event_loop::Timing;
use crate::go::Anatomy;
use crate::model::account::Account;
use crate::model::account::Remark;
use crate::model::loss;
use crate::probe::Plan;
use crate::probe::Probes;
use crate::probe::method::Method;
use crate::probe::place::Place;
use crate::probe::spent::Spent;
use crate::target::Target;
use crate::target::clock;
use crate::target::watch::Watch;
use crate::target::witness::Counted;
use crate::target::witness::Witness;

use super::changes::Change;
use super::changes::Changes;
use super::cost::CostWatch;
use super::output;
use super::output::Output;
use super::session;
use super::session::Ending;
use super::session::Session;

/// What one command that sets probes does differently from the others.
pub(super) trait Observation {
    /// What is traced, for the start line.
    const WHAT: &'static str;
    /// Whether there are records to be taken all the time.
    const POLLS: bool = true;
    /// Where the probes go.
    type Plan: Plan;
    /// The probes.
    type Probes: Probes;
    /// What the command keeps of each binary.
    type Own<'a>;

    /// Decides where the probes of a target go. Nothing of it is touched.
    fn plan<'a>(&mut self, target: &'a Target) -> Result<(Self::Plan, Self::Own<'a>)>;

    /// Sets them. The gate stays closed.
    fn attach(&mut self, target: &Target, plan: &Self::Plan, place: &Place)
    -> Result<Self::Probes>;

    /// What is to be done when all probes are set, and before the gates are opened.
    fn ready(&mut self, _all: &mut [Observed<'_, Self>], _method: Method) -> Result<()> {
        Ok(())
    }

    /// The gates were opened at this time, ns of CLOCK_MONOTONIC.
    fn opened(&mut self, _all: &mut [Observed<'_, Self>], _begun_ns: u64) -> Result<()> {
        Ok(())
    }

    /// What comes first on standard output.
    fn begin(&mut self, _all: &mut [Observed<'_, Self>]) -> Result<()> {
        Ok(())
    }

    /// Takes what was recorded since the last time.
    fn take(&mut self, _all: &mut [Observed<'_, Self>]) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    /// Reports, every interval.
    fn report(&mut self, _all: &mut [Observed<'_, Self>]) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    /// What else is to be done ten times a second.
    fn look(&mut self, _all: &mut [Observed<'_, Self>]) -> Result<()> {
        Ok(())
    }

    /// A process has ended, or runs another program now: what is remembered of it is to be forgotten.
    fn forget(&mut self, one: &mut Observed<'_, Self>, process: u32) -> Result<()> {
        one.probes.forget(process)
    }

    /// The gates are about to be closed.
    fn closing(&mut self) {}

    /// Takes everything that is left: the probes are gone.
    fn drain(&mut self, _all: &mut [Observed<'_, Self>]) -> Result<()> {
        Ok(())
    }

    /// The last lines.
    fn end(&mut self, all: &mut [Observed<'_, Self>], account: &Account) -> Result<()>;

    /// What the runtime counts too, and can contradict the probes with.
    fn counted(&self) -> Option<Counted> {
        None
    }

    /// How much of it the probes saw. They are closed.
    fn passed(&self, _one: &Observed<'_, Self>) -> Result<u64> {
        Ok(0)
    }

    /// Where rows go.
    fn output(&mut self) -> &mut Output;
}

/// One binary under observation.
pub(super) struct Observed<'a, O: Observation + ?Sized> {
    pub(super) target: &'a Target,
    pub(super) probes: O::Probes,
    pub(super) watch: Watch,
    /// What the command keeps of it.
    pub(super) own: O::Own<'a>,
    changes: Changes,
    /// What is known of the binary, where its counters are to be asked.
    anatomy: Option<Anatomy>,
    /// What the runtime's own counters say.
    witness: Option<Witness>,
    /// Its observation has ended by itself.
    is_over: bool,
}

/// Observes until the end, which may be that of the command that was started for it.
pub(super) fn run<O: Observation>(
    mut session: Session,
    targets: &[Target],
    common: &Common,
    timing: Timing,
    mut command: O,
) -> Result<ExitCode> {
    let mut all = Vec::new();
    for target in targets {
        let (plan, own) = command.plan(target)?;
        plan.shortcomings()
            .iter()
            .for_each(|shortcoming| output::warn(shortcoming));
        let place = session.place(target, plan.sites().len())?;
        let changes = Changes::of(target, &place);
        let probes = command.attach(target, &plan, &place)?;
        let anatomy = command.counted().map(|_| Anatomy::of(&target.binary));
        all.push(Observed {
            target,
            probes,
            anatomy,
            witness: None,
            watch: Watch::of(&target.processes()),
            own,
            changes,
            is_over: false,
        });
    }
    command.ready(&mut all, session.method)?;
    let mut run = Run {
        command,
        all,
        cost: CostWatch::new(common, session.method, targets),
        account: Account::default(),
    };
    let observed = run.observe(&mut session, targets, timing);
    let accounted = run.finish();
    let ending: Ending = match (observed, accounted) {
        (Err(why), Err(besides)) => {
            let is_said = format!("{besides:#}") == format!("{why:#}");
            if !is_said && !output::is_closed_pipe(&besides) {
                output::warn(&format!("{besides:#}"));
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
    all: Vec<Observed<'a, O>>,
    cost: CostWatch<'a>,
    account: Account,
}

/// What all probes have cost together.
pub(super) fn spent<O: Observation>(all: &[Observed<'_, O>]) -> Result<Spent> {
    all.iter().try_fold(
        Spent::default(),
        |sum, one| Ok(sum.and(one.probes.spent()?)),
    )
}

impl<O: Observation> Run<'_, O> {
    fn observe(
        &mut self,
        session: &mut Session,
        targets: &[Target],
        timing: Timing,
    ) -> Result<Ending> {
        let begun_ns = clock::monotonic_ns()?;
        for one in &mut self.all {
            one.probes.open_gate(begun_ns)?;
        }
        self.command.opened(&mut self.all, begun_ns)?;
        if let Some(counted) = self.command.counted() {
            for one in &mut self.all {
                let anatomy = one.anatomy.take();
                one.witness = anatomy.map(|it| Witness::begin(one.target, &it, counted));
            }
        }
        self.note_unseen();
        // Whoever reads this may rely on it that nothing is missed from now on.
        session::announce(O::WHAT, targets);
        self.command.begin(&mut self.all)?;
        self.cost.begin();
        session.observe(timing, self)
    }

    /// Something has ended the observation, or a part of it: said now, and in the last line.
    fn ends(&mut self, remark: Remark) {
        let text = remark.text.clone();
        if self.account.endings.add(remark) {
            output::warn(&text);
        }
    }

    /// Something is to be known: said now, and in the last line.
    fn note(&mut self, remark: Remark) {
        let text = remark.text.clone();
        if self.account.notes.add(remark) {
            output::warn(&text);
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
        for one in &mut self.all {
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
            }
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
        match spent(&self.all) {
            Ok(spent) => self.account.cost = Some(self.cost.end(spent)),
            Err(why) => keep(Err(why)),
        }
        // What is not written by now goes into the account.
        let output = self.command.output();
        keep(output.finish());
        let lost = output.lost();
        loss::merge(&mut self.account.losses, lost.as_slice());
        keep(self.command.end(&mut self.all, &self.account));
        let output = self.command.output();
        keep(output.finish());
        let more = output.lost_after(lost);
        loss::merge(&mut self.account.losses, more.as_slice());
        if let Some(cost) = &self.account.cost {
            output::report_cost(cost);
        }
        output::report_losses(&self.account.losses);
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
        if let Some(dear) = self.cost.judge(|| spent(all))? {
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
