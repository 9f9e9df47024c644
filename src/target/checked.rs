//! What is found out about a target before it is observed, checked on a process that runs it if there is one. It takes
//! some tens of milliseconds, and so is done once for all who need it.

use anyhow::Result;
use anyhow::bail;

use crate::go::layout::Field;
use crate::go::process::runtime_info::RuntimeInfo;
use crate::go::process::verify::Report;
use crate::go::site::runtime_functions::Runtime;

use super::Target;
use super::live::Live;
use super::process::ProcessId;
use super::refusal;

/// A target whose runtime is known, and what is known of the truth of that.
#[derive(Debug)]
pub struct Checked<'t> {
    /// The target.
    pub target: &'t Target,
    /// The runtime's functions in its binary.
    pub runtime: Runtime<'t>,
    /// Without the fields that turned out to be wrong, with those found in the process.
    pub runtime_info: RuntimeInfo,
    /// What the check found, or why there was none.
    pub check: Result<Report, String>,
    /// The process on which it was done.
    process: Option<ProcessId>,
    /// Whether there is a process, or may be, that could have been asked and we may not.
    refused: bool,
}

impl<'t> Checked<'t> {
    /// Reads the target's binary and checks that on one of its processes. One that has only just begun, or is not begun
    /// yet, cannot be asked.
    pub fn of(target: &'t Target) -> Self {
        let runtime = Runtime::of(&target.program.binary);
        let mut checked = Self {
            target,
            runtime_info: RuntimeInfo::clone(target.program.anatomy_by(&runtime)),
            runtime,
            check: Err("no process runs this program now".to_owned()),
            process: target.running_process(),
            refused: false,
        };
        if checked.process.is_none()
            && let Some(unseen) = target.unseen_processes()
        {
            checked.refused = true;
            checked.check = Err(format!(
                "no process that can be looked at runs this program now ({unseen})"
            ));
        }
        if let Some(process) = &checked.process {
            match Live::open(process, &checked.runtime_info) {
                Ok(mut live) => {
                    let report = live.settle();
                    match live.obstacle(&report) {
                        None => {
                            target.program.was_held(&live.runtime_info, &report);
                            checked.check = Ok(report);
                        }
                        Some(why) => {
                            checked.refused = true;
                            checked.check = Err(format!("{why:#}"));
                        }
                    }
                    checked.runtime_info = live.runtime_info;
                }
                Err(why) => {
                    checked.refused = true;
                    checked.check = Err(format!("{why:#}"));
                }
            }
        }
        checked
    }

    /// Opens a process of the target for reading. The layout holds in it: that is checked unless it has been already.
    ///
    /// # Errors
    /// As [`Live::checked`].
    pub fn open(&self, process: &ProcessId) -> Result<Live> {
        match &self.check {
            Ok(report) if self.process.as_ref() == Some(process) => match &report.ended {
                None => Live::open(process, &self.runtime_info),
                Some(why) => Err(refusal::explain(process.pid, why)),
            },
            _ => Live::checked(process, &self.runtime_info),
        }
    }

    /// What is merely assumed of these fields must hold in a process before it is used.
    ///
    /// # Errors
    /// No process may be asked, and one of them is assumed.
    pub fn require(&self, fields: &[Field]) -> Result<()> {
        let layout = &self.runtime_info.layout;
        let Err(why) = &self.check else {
            let unproven = |field: &&Field| {
                layout.offset(**field).is_some() && layout.require_checked(**field).is_err()
            };
            return match fields.iter().find(unproven) {
                Some(field) => Ok(layout.require_checked(*field).map(drop)?),
                None => Ok(()),
            };
        };
        match fields.iter().find(|field| layout.is_assumed(**field)) {
            Some(field) if self.refused => bail!(
                "where this Go version keeps {field} is only assumed ({layout}) and must be checked on the process: {why}"
            ),
            _ => Ok(()),
        }
    }
}
