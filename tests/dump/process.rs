//! A process read with grtmon's own library, for what would take too long with one grtmon each time.

use std::time::{Duration, Instant};

use grtmon::{
    go::{Anatomy, ReadMemory, Subject, process::goroutines::GoroutineReader},
    target::{Selection, Target, live::Live, memory::ProcessMemory},
};

/// A process whose memory can be read.
pub(crate) struct Subjected {
    pub(crate) target: Target,
    pub(crate) anatomy: Anatomy,
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
        let anatomy = Anatomy::clone(target.program.anatomy());
        let process = target.processes().remove(0);
        let Live { memory, bias, .. } = Live::open(&process, &anatomy).unwrap();
        Self {
            target,
            anatomy,
            memory,
            bias,
        }
    }

    /// A reader of its goroutines in `memory`, which is its own or a copy.
    pub(crate) fn reader(&self, memory: &dyn ReadMemory) -> GoroutineReader<'_> {
        let subject = Subject {
            memory,
            anatomy: &self.anatomy,
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
