//! The Go processes of a machine, as they come and go: what `ps` lists once and `top` again and again.

use anyhow::Result;

use crate::go::layout::Field;
use crate::go::process::runtime_stats::RuntimeStats;
use crate::model::ps::GoProcess;
use crate::model::top::Listed;
use crate::target::Program;
use crate::target::limits;
use crate::target::live::Live;
use crate::target::process::ProcessId;
use crate::target::refusal;
use crate::target::survey::Found;
use crate::target::survey::Survey;

use super::cpu_rate::CpuRate;
use super::reader::unreadable;

/// The processes, and what is remembered of them. Programs are read once, however many processes run them, and forgotten
/// with the last.
#[derive(Debug, Default)]
pub struct Node {
    survey: Survey,
    /// Of those that were there at the last look.
    rates: Vec<(ProcessId, CpuRate)>,
}

impl Node {
    /// Looks at all processes once more, and reads those of Go that are still there.
    ///
    /// # Errors
    /// There is no /proc, or it is not ours.
    pub fn look(&mut self) -> Result<Vec<Listed>> {
        self.survey.renew()?;
        let found = self.survey.processes.iter();
        let mut rates = Vec::with_capacity(found.len());
        let mut listed = Vec::with_capacity(found.len());
        for (found, row) in found.zip(self.survey.each(row)) {
            let process = row.unwrap_or_else(|| too_dear(found));
            if process.unread.is_some() && !found.process.is_alive() {
                continue;
            }
            // A process that has the number of another is told apart from it.
            let known = self.rates.iter().position(|(of, _)| *of == found.process);
            let known = known.map(|at| self.rates.swap_remove(at).1);
            let mut rate = known.unwrap_or_default();
            listed.push(Listed {
                cpu: rate.look(&found.process),
                process,
            });
            rates.push((found.process.clone(), rate));
        }
        self.rates = rates;
        Ok(listed)
    }

    /// Processes of which is not known whether they are of Go.
    pub fn unlooked(&self) -> usize {
        self.survey.closed.len() + self.survey.silent + self.survey.failed.len()
    }

    /// Whether /proc hides still others.
    pub fn hides_some(&self) -> bool {
        self.survey.hidden
    }

    /// What is not in the rows, in words.
    pub fn shortcomings(&self) -> Vec<String> {
        let Survey {
            closed,
            silent,
            failed,
            hidden,
            ..
        } = &self.survey;
        let mut said = Vec::new();
        if let Some(first) = closed.first() {
            said.push(match closed.len() {
                1 => format!(
                    "whether one more process is of Go is not known (grtmon doctor --pid {first} says why)"
                ),
                many => format!(
                    "whether {many} more processes are of Go is not known: {:#}, for one",
                    refusal::refusal(*first)
                ),
            });
        }
        match silent {
            0 => {}
            1 => said.push(
                "what 1 process runs cannot be looked at, Go or not: its file system does not answer"
                    .to_owned(),
            ),
            many => said.push(format!(
                "what {many} processes run cannot be looked at, Go or not: their file systems do not answer"
            )),
        }
        if let Some(first) = failed.first() {
            let advice = limits::advice(first);
            said.push(match failed.len() {
                1 => format!("whether one more process is of Go is not known: {first:#}{advice}"),
                many => format!(
                    "whether {many} more processes are of Go is not known: {first:#}, for one{advice}"
                ),
            });
        }
        if *hidden {
            said.push(
                "/proc is mounted with hidepid: processes of other users are not listed; run as root or with CAP_SYS_PTRACE"
                    .to_owned(),
            );
        }
        said
    }
}

fn too_dear(found: &Found) -> GoProcess {
    let pid = found.process.pid;
    let why = format!(
        "cannot read process {pid}: it takes more time to read than any should (grtmon doctor --pid {pid} says more)"
    );
    GoProcess {
        unread: Some(why),
        ..begin(found)
    }
}

fn begin(found: &Found) -> GoProcess {
    GoProcess {
        pid: found.process.pid,
        user: found.user.clone(),
        uptime: found.uptime,
        container: found.container.clone(),
        command: found.command.clone(),
        ..GoProcess::default()
    }
}

/// What is to be known of a process that was found.
fn row(found: &Found, program: Option<&Program>) -> GoProcess {
    let mut row = begin(found);
    let Some(program) = program else {
        row.unread.clone_from(&found.unread);
        return row;
    };
    let info = program.binary.build_info();
    let stated = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    row.go_version = program.binary.version().map(ToString::to_string);
    row.module = info.and_then(|info| stated(&info.main_module));
    row.module_version = info.and_then(|info| stated(&info.main_version));
    if let Err(why) = read(&mut row, found, program) {
        row.unread = Some(format!("{why:#}{}", limits::advice(&why)));
    }
    row
}

fn read(row: &mut GoProcess, found: &Found, program: &Program) -> Result<()> {
    let live = open(found, program)?;
    live.require_begun()?;
    row.fork_copy = live.is_fork_copy() == Some(true);
    let runtime_stats = RuntimeStats::read(live.view()).map_err(|why| unreadable(&live, why))?;
    row.goroutines = runtime_stats.goroutines(false).ok();
    row.heap_bytes = runtime_stats.word(Field::GcControllerHeapInUse);
    row.gc_cycles = runtime_stats.half(Field::MstatsNumgc).map(u64::from);
    Ok(())
}

/// Opens a process.
fn open(found: &Found, program: &Program) -> Result<Live> {
    if let Some(held) = program.held() {
        return Live::open_one_of_many(&found.process, &held);
    }
    let mut live = Live::open_one_of_many(&found.process, program.runtime_info())?;
    let report = live.settle();
    if let Some(why) = &report.ended {
        return Err(refusal::explain(found.process.pid, why));
    }
    program.was_held(&live.runtime_info, &report);
    Ok(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_may_not_look_at_takes_one_short_line() {
        let mut node = Node::default();
        node.survey.closed = vec![1];
        let said = node.shortcomings();
        assert_eq!(
            said,
            ["whether one more process is of Go is not known (grtmon doctor --pid 1 says why)"]
        );
    }
}
