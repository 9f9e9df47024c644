//! What lies where in the memory of a process, by name: for code that is not Go's.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use procfs::process::MMapPath;
use procfs::process::Process;

use super::process::ProcessId;

/// The list is read again for an address that is not in it, but not more often than this.
const PAUSE: Duration = Duration::from_secs(1);

/// The mapped files of a process.
#[derive(Debug)]
pub struct CodeMaps {
    process: ProcessId,
    ranges: Vec<(Range<u64>, Arc<str>)>,
    read: Option<Instant>,
}

impl CodeMaps {
    /// Nothing is read yet.
    pub fn new(process: &ProcessId) -> Self {
        Self {
            process: process.clone(),
            ranges: Vec::new(),
            read: None,
        }
    }

    /// What lies at a run-time address: `[vdso]`, `[libc.so.6]`.
    pub fn name(&mut self, address: u64) -> Arc<str> {
        let known = self.find(address).or_else(|| {
            if self.read.is_none_or(|read| read.elapsed() > PAUSE) {
                self.read();
            }
            self.find(address)
        });
        known.unwrap_or_else(|| Arc::from("[unknown code]"))
    }

    fn find(&self, address: u64) -> Option<Arc<str>> {
        let mut ranges = self.ranges.iter();
        let (_, name) = ranges.find(|(range, _)| range.contains(&address))?;
        Some(name.clone())
    }

    fn read(&mut self) {
        self.read = Some(Instant::now());
        // Of a process that has ended, the old list is the best there is.
        if let Ok(maps) = Process::new(self.process.pid).and_then(|process| process.maps()) {
            let name = |path: &MMapPath| match path {
                MMapPath::Vdso => Arc::from("[vdso]"),
                MMapPath::Vsyscall => Arc::from("[vsyscall]"),
                MMapPath::Path(path) => Arc::from(of_file(path)),
                _ => Arc::from("[code without a file]"),
            };
            self.ranges = maps
                .into_iter()
                .map(|map| (map.address.0..map.address.1, name(&map.pathname)))
                .collect();
        }
    }
}

fn of_file(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    format!("[{}]", name.to_string_lossy())
}
