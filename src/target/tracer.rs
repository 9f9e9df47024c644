//! Who traces a process with ptrace(2), as debuggers do.
//!
//! A debugger saves the byte over which it writes a breakpoint, and writes it back later. Where that byte is a probe of ours,
//! what it writes back when we are gone is a breakpoint that nobody handles: the process dies of SIGTRAP. Nobody can see it
//! coming, since the two breakpoints are the same; only that there is a debugger can be seen.

use std::fmt;
use std::fs;
use std::thread;
use std::time::Duration;

use super::texts;

/// Tracers that only look at system calls.
const HARMLESS: [&str; 2] = ["strace", "proot"];

/// A process is held by its tracer if it is stopped each time, at so many looks so far apart: a stop for the tracer's own
/// purposes is over sooner.
const LOOKS: u32 = 3;
const APART: Duration = Duration::from_millis(2);

/// The tracer of a process. `Display` gives `gdb (pid 4242)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracer {
    /// Its process id.
    pub pid: i32,
    name: String,
}

impl fmt::Display for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.name, self.pid)
    }
}

impl Tracer {
    /// The tracer of this process, if it has one that grtmon can see: not one outside of its PID namespace.
    pub fn of(pid: i32) -> Option<Self> {
        let status = texts::read(format!("/proc/{pid}/status")).ok()?;
        let tracer = tracer_pid(&status).filter(|tracer| !is_ours(*tracer))?;
        let name = texts::read(format!("/proc/{tracer}/comm")).unwrap_or_default();
        let shown = |it: char| if it.is_ascii_graphic() { it } else { '?' };
        Some(Self {
            pid: tracer,
            name: match name.trim_end() {
                "" => "a debugger".to_owned(),
                name => name.chars().map(shown).collect(),
            },
        })
    }

    /// Whether it may set breakpoints.
    pub fn is_debugger(&self) -> bool {
        !HARMLESS.contains(&self.name.as_str())
    }
}

/// Whether its tracer has stopped this process, and not just for a moment.
pub fn is_held(pid: i32) -> bool {
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(APART);
        }
        let status = texts::read(format!("/proc/{pid}/status")).unwrap_or_default();
        if state(&status) != Some('t') || tracer_pid(&status).is_some_and(is_ours) {
            return false;
        }
    }
    true
}

/// Whether this is a thread of grtmon itself, which follows a command to the program that comes of it, and sets no
/// breakpoints.
fn is_ours(tracer: i32) -> bool {
    fs::exists(format!("/proc/self/task/{tracer}")).unwrap_or(false)
}

pub(super) fn tracer_pid(status: &str) -> Option<i32> {
    field(status, "TracerPid:")?
        .parse()
        .ok()
        .filter(|pid| *pid != 0)
}

pub(super) fn state(status: &str) -> Option<char> {
    field(status, "State:")?.chars().next()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let status =
            |tracer, state| format!("Name:\tx\nState:\t{state}\nPid:\t7\nTracerPid:\t{tracer}\n");
        assert_eq!(tracer_pid(&status(0, "S (sleeping)")), None);
        assert_eq!(tracer_pid(&status(31, "S (sleeping)")), Some(31));
        assert_eq!(state(&status(31, "t (tracing stop)")), Some('t'));
        // Stopped by a signal, not by a tracer.
        assert_eq!(state(&status(31, "T (stopped)")), Some('T'));
        assert_eq!(tracer_pid("TracerPid:\tx\n"), None);
    }

    #[test]
    fn this_process_runs() {
        assert!(!is_held(std::process::id().cast_signed()));
        assert!(!is_held(i32::MAX));
        assert_eq!(Tracer::of(i32::MAX), None);
    }
}
