//! Every Go process on the machine.
//!
//! To tell Go programs from others only the headers of their files are read; each file is looked at once, however many
//! processes run it. Processes are looked at through /proc. Which file a process runs is told only to those who may read
//! the process too; of the others their command lines are known, and the first word of these often is the file's path.

use std::collections::HashMap;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;

use super::Program;
use super::ProgramFile;
use super::aside;
use super::file_id::FileId;
use super::limits;
use super::look::Files;
use super::look::Machine;
use super::look::Seen;
use super::namespace;
use super::patience;
use super::patience::Limit;
use super::patience::Outcome;
use super::proc_mount;

pub use super::look::Found;

/// CPU time that one process may take to look at or to read. A real one takes two milliseconds, ten where a busy machine
/// has nothing left in its caches.
const WORK: Duration = Duration::from_millis(200);

/// More of it for each MiB of a program's file, which is read once, however many processes run it. A real one takes two,
/// ten on such a machine.
const WORK_PER_MIB: Duration = Duration::from_millis(50);

/// How long any of this may wait, for a disk or for whoever has the file.
const WAIT: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Ascending by process id.
    pub processes: Vec<Found>,
    /// Programs, each once.
    pub programs: Vec<Arc<Program>>,
    /// Further processes whose binary may not be looked at: they may be Go programs or not.
    pub closed: Vec<i32>,
    /// Further processes whose binary cannot be looked at: whoever has the file does not answer.
    pub silent: usize,
    /// Further processes that could not be looked at, as for want of open files, and why.
    pub failed: Vec<anyhow::Error>,
    /// Whether /proc hides still others.
    pub hidden: bool,
    files: Arc<Files>,
    /// Which of `programs` a file is; `None` if it turned out to be none that can be used.
    places: HashMap<FileId, FileOutcome>,
}

/// What one process may take.
const ONE: Limit = Limit {
    work: WORK,
    wait: WAIT,
};

/// A program that was read.
enum Reading {
    /// It can be used.
    Program(Box<Program>),
    /// It is no Go program after all, or too old to be used.
    Useless,
    /// It is not to be read as a whole: see [`super::extent`].
    Refused,
    /// It could not be read, for this reason: another time it may be.
    Failed(String),
}

/// What became of a file that looked like a Go program.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FileOutcome {
    /// It is this one of [`Survey::programs`].
    Program(usize),
    /// It is none, or too old to be used.
    Useless,
    /// Reading it took too long, or would have.
    GivenUp,
    /// It could not be read, for this reason.
    Failed(String),
}

/// Looks at every process.
///
/// # Errors
/// There is no /proc, or it is not ours.
pub fn survey() -> Result<Survey> {
    let mut survey = Survey::default();
    survey.renew()?;
    Ok(survey)
}

impl Survey {
    /// Looks at every process once more. Files that were looked at before are not read again.
    ///
    /// # Errors
    /// There is no /proc, or it is not ours.
    pub fn renew(&mut self) -> Result<()> {
        namespace::require_own_proc()?;
        aside::prepare();
        let mut pids: Vec<i32> = fs::read_dir("/proc")
            .context("cannot list processes")?
            .collect::<Result<Vec<_>, _>>()
            .context("cannot list processes")?
            .iter()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        self.closed.clear();
        self.silent = 0;
        self.failed.clear();
        self.hidden = proc_mount::hides_processes();
        // What could not be read may be read now.
        let has_failed = |place: &FileOutcome| matches!(place, FileOutcome::Failed(_));
        self.files
            .keep(|file| !self.places.get(file).is_some_and(has_failed));
        self.places.retain(|_, place| !has_failed(place));
        let (files, machine) = (Arc::clone(&self.files), Machine::now());
        let look = move |pid: &i32| files.look(*pid, &machine);
        let mut met = HashSet::new();
        let mut candidates: Vec<(Found, Option<FileId>)> = Vec::new();
        let seen = patience::each(pids.clone(), |_| ONE, look);
        for (pid, seen) in pids.iter().zip(seen) {
            match seen {
                Outcome::Done(Seen::Other(file)) => met.extend(file),
                Outcome::Done(Seen::Failed(why)) => self.failed.push(why),
                Outcome::Done(Seen::Closed) => self.closed.push(*pid),
                Outcome::Done(Seen::Silent) | Outcome::GivenUp => self.silent += 1,
                Outcome::Done(Seen::Go(found, file)) => {
                    met.extend(file);
                    candidates.push((*found, file));
                }
            }
        }
        self.files.keep(|file| met.contains(file));
        self.forget(&met);
        // Those that look like Go but cannot be used are no Go programs, or too old.
        for (file, read) in read_programs(self.files.take_unread()) {
            let place = match read {
                Outcome::Done(Reading::Program(program)) => {
                    self.programs.push(Arc::new(*program));
                    FileOutcome::Program(self.programs.len() - 1)
                }
                Outcome::Done(Reading::Useless) => FileOutcome::Useless,
                Outcome::Done(Reading::Failed(why)) => FileOutcome::Failed(why),
                Outcome::Done(Reading::Refused) | Outcome::GivenUp => FileOutcome::GivenUp,
            };
            self.places.insert(file, place);
        }
        let processes = candidates.into_iter().filter_map(|(found, file)| {
            let program = match file.filter(|_| found.unread.is_none()) {
                None => Ok(None),
                Some(file) => match self.places.get(&file)? {
                    FileOutcome::Program(place) => Ok(Some(*place)),
                    FileOutcome::Useless => return None,
                    FileOutcome::Failed(why) => Err(why.clone()),
                    FileOutcome::GivenUp => {
                        let pid = found.process.pid;
                        Err(format!(
                            "cannot read process {pid}: its program takes more time to read than any should (grtmon doctor --pid {pid} says more)"
                        ))
                    }
                },
            };
            Some(match program {
                Ok(program) => Found { program, ..found },
                Err(why) => Found {
                    unread: Some(why),
                    ..found
                },
            })
        });
        self.processes = processes.collect();
        Ok(())
    }

    /// Reads each process, with the program that it runs if that is known. `None`: it took more work than any should, or
    /// longer than anybody waits.
    pub fn each<T: Send + 'static>(
        &self,
        read: impl Fn(&Found, Option<&Program>) -> T + Send + Sync + 'static,
    ) -> Vec<Option<T>> {
        let inputs = self.processes.iter().map(|found| {
            let program = found.program.and_then(|place| self.programs.get(place));
            (found.clone(), program.map(Arc::clone))
        });
        let read =
            move |(found, program): &(Found, Option<Arc<Program>>)| read(found, program.as_deref());
        let outcomes = patience::each(inputs.collect(), |_| ONE, read).into_iter();
        let done = outcomes.map(|outcome| match outcome {
            Outcome::Done(done) => Some(done),
            Outcome::GivenUp => None,
        });
        done.collect()
    }

    /// Forgets the programs that nobody runs any more.
    fn forget(&mut self, met: &HashSet<FileId>) {
        self.places.retain(|file, _| met.contains(file));
        let program = |place: &FileOutcome| match place {
            FileOutcome::Program(place) => Some(*place),
            _ => None,
        };
        let used: HashSet<usize> = self.places.values().filter_map(program).collect();
        if used.len() == self.programs.len() {
            return;
        }
        let programs = std::mem::take(&mut self.programs);
        let mut moved = HashMap::new();
        for (place, program) in programs.into_iter().enumerate() {
            if used.contains(&place) {
                moved.insert(place, self.programs.len());
                self.programs.push(program);
            }
        }
        for place in self.places.values_mut() {
            if let FileOutcome::Program(place) = place {
                *place = moved.get(place).copied().unwrap_or(*place);
            }
        }
    }
}

/// Reads programs, on all processors.
fn read_programs(
    files: Vec<(Arc<ProgramFile>, PathBuf)>,
) -> impl Iterator<Item = (FileId, Outcome<Reading>)> {
    let ids: Vec<FileId> = files.iter().map(|(file, _)| file.id()).collect();
    let limit = |(file, _): &(Arc<ProgramFile>, PathBuf)| {
        let mib = u32::try_from(file.file().contents() >> 20).unwrap_or(u32::MAX);
        Limit {
            work: WORK.saturating_add(WORK_PER_MIB.saturating_mul(mib)),
            wait: WAIT,
        }
    };
    let read = patience::each(files, limit, |(file, path)| program(file, path));
    ids.into_iter().zip(read)
}

fn program(file: &Arc<ProgramFile>, path: &Path) -> Reading {
    match Program::read(Arc::clone(file), path) {
        Ok(program) => {
            program.runtime_info();
            match program.require_unchanged() {
                Ok(()) => Reading::Program(Box::new(program)),
                Err(_) => Reading::Useless,
            }
        }
        Err(why) if why.root_cause().is::<std::io::Error>() => {
            Reading::Failed(format!("{why:#}{}", limits::advice(&why)))
        }
        Err(_) if file.file().require_contents().is_err() => Reading::Refused,
        Err(_) => Reading::Useless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_go_is_left_out() {
        let survey = survey().unwrap();
        let me = std::process::id().cast_signed();
        assert!(survey.processes.iter().all(|found| found.process.pid != me));
    }
}
