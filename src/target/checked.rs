//! The layout of a target's runtime structures, checked on a process that runs it if there is one.

use crate::go::anatomy::Anatomy;
use crate::go::layout::Layout;
use crate::go::verify::Report;

use super::Target;
use super::live::Live;

/// A layout and what is known of its truth.
#[derive(Debug)]
pub struct CheckedLayout {
    /// Without the fields that turned out to be wrong, with those found in the process.
    pub layout: Layout,
    /// What the check found, or why there was none.
    pub check: Result<Report, String>,
}

impl CheckedLayout {
    /// Reads the layout of the target's binary and checks it on one of its processes. One that has only just begun, or
    /// is not begun yet, cannot be asked.
    pub fn of(target: &Target) -> Self {
        let anatomy = Anatomy::of(&target.binary);
        let Some(process) = target.running_process() else {
            let check = Err("no process runs this program now".to_owned());
            return Self {
                layout: anatomy.layout,
                check,
            };
        };
        match Live::open(&process, &anatomy) {
            Ok(mut live) => {
                let report = live.settle();
                Self {
                    layout: live.anatomy.layout,
                    check: Ok(report),
                }
            }
            Err(why) => Self {
                layout: anatomy.layout,
                check: Err(format!("{why:#}")),
            },
        }
    }
}
