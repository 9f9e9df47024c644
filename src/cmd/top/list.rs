//! Every Go process on the machine, again and again.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;

use crate::cmd::ps;
use crate::model::top::Listed;
use crate::target::cpu::CpuTime;
use crate::target::survey::Survey;
use crate::tui::state::State;

/// The processes, and what is remembered of them.
#[derive(Debug, Default)]
pub(super) struct List {
    survey: Survey,
    cpu: HashMap<i32, CpuRate>,
    opened: Option<Instant>,
}

impl List {
    /// Looks at all of them once more.
    pub(super) fn renew(&mut self, state: &mut State) -> Result<()> {
        let now = Instant::now();
        let opened = *self.opened.get_or_insert(now);
        self.survey.renew()?;
        let mut all = Vec::with_capacity(self.survey.processes.len());
        for process in ps::rows(&self.survey) {
            let mut found = self.survey.processes.iter();
            let Some(found) = found.find(|found| found.process.pid == process.pid) else {
                continue;
            };
            let rate = self.cpu.entry(process.pid).or_default();
            all.push(Listed {
                cpu: rate.look(&found.process),
                process,
            });
        }
        self.cpu
            .retain(|pid, _| all.iter().any(|listed| listed.process.pid == *pid));
        let at = now.duration_since(opened).as_secs_f64();
        let closed = self.survey.closed.len() + self.survey.silent + self.survey.failed.len();
        state.list.set(at, all, closed);
        state.list.hidden = self.survey.hidden;
        Ok(())
    }
}

/// The CPU time that a process uses per time that passes.
#[derive(Debug, Default)]
pub(super) struct CpuRate {
    time: CpuTime,
    last: Option<(Instant, u64)>,
}

impl CpuRate {
    /// Between the last look and this one: 1 is one processor. `None` at the first.
    pub(super) fn look(&mut self, process: &crate::target::process::ProcessId) -> Option<f64> {
        let now = Instant::now();
        self.time.look(std::slice::from_ref(process));
        let used = self.time.used_ns();
        let (at, before) = self.last.replace((now, used))?;
        let passed = now.duration_since(at).as_nanos() as f64;
        (passed > 0.0).then(|| used.saturating_sub(before) as f64 / passed)
    }
}
