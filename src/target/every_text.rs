//! All texts that are read of /proc and the like, each with those who read it: to try what they make of other bytes.

use std::path::Path;

use super::fork_copy;
use super::fuse;
use super::look;
use super::maps;
use super::namespace;
use super::proc_mount;
use super::texts;
use super::time_namespace;
use super::tracer;
use super::within;

/// The texts that are read, for those who try what becomes of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// /proc/PID/maps
    Maps,
    /// /proc/PID/mountinfo
    Mounts,
    /// /proc/PID/status
    Status,
    /// /proc/PID/cgroup
    ControlGroup,
    /// /proc/PID/cmdline
    CommandLine,
    /// /proc/PID/timens_offsets
    ClockOffsets,
    /// /etc/passwd
    Users,
}

impl Text {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Maps,
        Self::Mounts,
        Self::Status,
        Self::ControlGroup,
        Self::CommandLine,
        Self::ClockOffsets,
        Self::Users,
    ];

    /// Gives a text to all who read such. Whether it said anything.
    pub fn try_on(self, text: &[u8]) -> bool {
        let text = texts::lossy(text.to_vec());
        match self {
            Self::Maps => {
                let paths = within::code(&text).count();
                maps::understood(&text).is_some() || paths > 0
            }
            Self::Mounts => {
                let closed = fuse::is_on_closed_mount(&text, Path::new("/home/u/my app/bin/x"));
                closed | proc_mount::hides(&text)
            }
            Self::Status => {
                let ids = fork_copy::ids(&text).count();
                let traced = tracer::tracer_pid(&text).is_some() | tracer::state(&text).is_some();
                let numbers = namespace::numbers(&text);
                texts::understood_status(&text).is_some() || traced || ids + numbers > 1
            }
            Self::ControlGroup => look::container(&text).is_some(),
            Self::CommandLine => look::command(text.as_bytes()).is_some(),
            Self::ClockOffsets => time_namespace::monotonic(&text).is_some(),
            Self::Users => !look::users_in(&text).is_empty(),
        }
    }
}
