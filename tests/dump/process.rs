//! A process read with grtmon's own library, for what would take too long with one grtmon each time.

use std::time::{Duration, Instant};

use grtmon::{
    go::{ProcessView, ReadMemory, RuntimeInfo, process::goroutines::GoroutineReader},
    target::{Selection, Target, live::Live, memory::ProcessMemory},
};

/// A process whose memory can be read.
pub(crate) struct Subjected {
    pub(crate) target: Target,
    pub(crate) runtime_info: RuntimeInfo,
    pub(crate) memory: ProcessMemory,
    pub(crate) bias: u64,
}

impl Subjected {
    /// The process with this number.
    pub(crate) fn open(pid: u32) -> Self {
        let selection = Selection::Pids(vec![pid.try_into().unwrap()]);
        let target = grtmon::target::resolve(&selection)
            .unwrap()
            .targets
            .remove(0);
        let runtime_info = RuntimeInfo::clone(target.program.runtime_info());
        let process = target.processes().remove(0);
        let Live { memory, bias, .. } = Live::open(&process, &runtime_info).unwrap();
        Self {
            target,
            runtime_info,
            memory,
            bias,
        }
    }

    /// A reader of its goroutines in `memory`, which is its own or a copy.
    pub(crate) fn reader(&self, memory: &dyn ReadMemory) -> GoroutineReader<'_> {
        let subject = ProcessView {
            memory,
            runtime_info: &self.runtime_info,
            bias: self.bias,
        };
        GoroutineReader::new(&self.target.program.binary, &subject).unwrap()
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < crate::common::PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
