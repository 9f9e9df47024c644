//! What differs between the commands that set probes, and what they have of each program.

use anyhow::Result;

use crate::event_loop::Flow;
use crate::model::account::Account;
use crate::probe::Plan;
use crate::probe::Probes;
use crate::probe::method::Method;
use crate::probe::place::Place;
use crate::target::Target;
use crate::target::watch::Watch;
use crate::target::witness::Counted;
use crate::target::witness::Witness;

use super::changes::Changes;
use super::rows::Rows;

/// What one command that sets probes does differently from the others.
pub trait Observation {
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

    /// What is to be done with one when its probes are set, and before its gate is opened.
    fn prepare(&mut self, _one: &mut Observed<'_, Self>) -> Result<()> {
        Ok(())
    }

    /// What is to be done when all probes are set, and before the gates are opened.
    fn ready(&mut self, _all: &mut [Observed<'_, Self>], _method: Method) -> Result<()> {
        Ok(())
    }

    /// The gates of these were opened at this time, ns of CLOCK_MONOTONIC. They may join others, whose file they replaced.
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
    fn output(&mut self) -> &mut dyn Rows;
}

/// One program under observation.
#[allow(missing_debug_implementations, reason = "probes have none")]
pub struct Observed<'a, O: Observation + ?Sized> {
    /// The program, and which of its processes.
    pub target: &'a Target,
    /// Its probes.
    pub probes: O::Probes,
    /// The processes that showed themselves.
    pub watch: Watch,
    /// What the command keeps of it.
    pub own: O::Own<'a>,
    pub(super) changes: Changes,
    /// What the runtime's own counters say.
    pub(super) witness: Option<Witness>,
    /// Its observation has ended by itself.
    pub(super) is_over: bool,
}
