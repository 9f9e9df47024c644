//! How much CPU time a process uses.

use std::time::Instant;

use crate::target::cpu::CpuTime;
use crate::target::process::ProcessId;

/// The CPU time that a process uses per time that passes.
#[derive(Debug, Default)]
pub struct CpuRate {
    time: CpuTime,
    last: Option<(Instant, u64)>,
}

impl CpuRate {
    /// Between the last look and this one: 1 is one processor. `None` at the first.
    pub fn look(&mut self, process: &ProcessId) -> Option<f64> {
        let now = Instant::now();
        self.time.look(std::slice::from_ref(process));
        let used = self.time.used_ns();
        let (at, before) = self.last.replace((now, used))?;
        let passed = now.duration_since(at).as_nanos() as f64;
        (passed > 0.0).then(|| used.saturating_sub(before) as f64 / passed)
    }
}
