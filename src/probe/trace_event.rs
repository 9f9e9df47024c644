//! One event of tracefs that holds many probes (Documentation/trace/uprobetracer.rst): how many sites are attached and
//! detached at once where there is no `uprobe.multi`. A perf event for each site takes a tenth of a second to detach.
//!
//! Such an event has a name that everybody sees, and outlives us if we are killed; the probes themselves do not. What a
//! grtmon that is no more has left is removed by the next one.

#![allow(unsafe_code)]

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use libbpf_rs::Link;
use libbpf_rs::ProgramMut;
use libbpf_rs::libbpf_sys;

use crate::target;
use crate::target::process::ProcessId;

use super::perf_event;

/// Where it is found when it is mounted.
const MOUNTED: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// The file that lists events and takes new ones.
const EVENTS: &str = "uprobe_events";
/// How the names of our groups begin; then come a pid and when that process began, so that it is known again.
const GROUP: &str = "grtmon_";

/// The file system, mounted for us alone if it is not mounted.
#[derive(Debug)]
pub(super) struct TraceFs {
    directory: PathBuf,
    _mount: Option<OwnedFd>,
}

impl TraceFs {
    /// Opens it, and removes what others of us have left behind.
    pub(super) fn open() -> Result<Self> {
        let mounted = MOUNTED
            .iter()
            .map(PathBuf::from)
            .find(|directory| directory.join("events").exists());
        let this = match mounted {
            Some(directory) => Self {
                directory,
                _mount: None,
            },
            None => Self::mount_for_us().context(
                "tracefs is not mounted and we may not mount it: as root, mount -t tracefs tracefs /sys/kernel/tracing",
            )?,
        };
        let file = this.directory.join(EVENTS);
        match fs::read_to_string(&file) {
            Ok(events) => this.remove_left_behind(&events),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!("this kernel has no uprobe events (CONFIG_UPROBE_EVENTS)")
            }
            Err(error) => return Err(anyhow!(error).context("tracefs may not be used here")),
        }
        Ok(this)
    }

    /// A mount that no directory shows and that ends with us (Linux 5.2).
    fn mount_for_us() -> io::Result<Self> {
        let call = |result: libc::c_long| -> io::Result<OwnedFd> {
            let fd = i32::try_from(result).unwrap_or(-1);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is new and nobody else's.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        };
        // SAFETY: the name is a C string.
        let context = call(unsafe {
            libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), libc::FSOPEN_CLOEXEC)
        })?;
        let none = std::ptr::null::<libc::c_char>();
        // SAFETY: this command takes no pointers.
        let created = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                libc::FSCONFIG_CMD_CREATE,
                none,
                none,
                0,
            )
        };
        if created != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: takes no pointers.
        let mount = call(unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                context.as_raw_fd(),
                libc::FSMOUNT_CLOEXEC,
                0,
            )
        })?;
        Ok(Self {
            directory: format!("/proc/self/fd/{}", mount.as_raw_fd()).into(),
            _mount: Some(mount),
        })
    }

    fn remove_left_behind(&self, events: &str) {
        for event in left_behind(events, began) {
            // Whoever still uses it keeps it: the kernel then refuses.
            let _ = self.write(&format!("-:{event}"));
        }
    }

    fn write(&self, line: &str) -> io::Result<()> {
        // Without O_APPEND the kernel would remove all events, everybody's.
        let mut file = OpenOptions::new()
            .append(true)
            .open(self.directory.join(EVENTS))?;
        file.write_all(line.as_bytes())
    }

    /// Attaches a program to these places in a file (offsets in bytes), in one process or in all that run it.
    pub(super) fn attach(
        self,
        program: &ProgramMut<'_>,
        process: Option<&ProcessId>,
        file: &File,
        offsets: &[u64],
    ) -> Result<TraceEvent> {
        static UNIQUE: AtomicU32 = AtomicU32::new(0);
        let us = std::process::id();
        let began = began(us).context("cannot learn when we began from /proc/self/stat")?;
        let name = format!(
            "{GROUP}{us}_{began}/p{}",
            UNIQUE.fetch_add(1, Ordering::Relaxed)
        );
        // By descriptor: the kernel takes no path with a blank or a colon in it.
        let path = target::descriptor_path(file);
        // From here on it is removed when dropped.
        let mut event = TraceEvent {
            tracefs: self,
            name,
            link: None,
        };
        for offset in offsets {
            event
                .tracefs
                .write(&format!("p:{} {}:{offset:#x}", event.name, path.display()))
                .with_context(|| {
                    format!("the kernel refused a probe at {offset:#x} in the file")
                })?;
        }
        let id = event
            .tracefs
            .directory
            .join(format!("events/{}/id", event.name));
        let id = fs::read_to_string(&id).context("tracefs does not have the event just made")?;
        let id = id
            .trim()
            .parse()
            .context("tracefs shows no number for an event")?;
        let perf = open_perf_event(id, process).context("the kernel refused to open the event")?;
        // The link takes the descriptor and closes it.
        let link = program
            .attach_perf_event(perf.as_raw_fd())
            .context("the kernel refused to attach a program to the event")?;
        let _ = perf.into_raw_fd();
        event.link = Some(link);
        Ok(event)
    }
}

/// A program on many sites; detaches when dropped.
#[derive(Debug)]
pub(super) struct TraceEvent {
    tracefs: TraceFs,
    name: String,
    link: Option<Link>,
}

impl Drop for TraceEvent {
    fn drop(&mut self) {
        drop(self.link.take());
        // The kernel lets go of it a moment later.
        for _ in 0..100 {
            match self.tracefs.write(&format!("-:{}", self.name)) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    thread::sleep(Duration::from_millis(5));
                }
                // Gone, or left to the next grtmon.
                _ => break,
            }
        }
    }
}

/// The event with this number, which is switched on: for a process, or for all (the processor is then of no account, as
/// every hit runs the programs of its event, `perf_trace_run_bpf_submit` in kernel/events/core.c).
fn open_perf_event(id: u64, process: Option<&ProcessId>) -> io::Result<OwnedFd> {
    let attributes = perf_event::attributes(libbpf_sys::PERF_TYPE_TRACEPOINT, id);
    let (pid, processor) = process.map_or((-1, 0), |process| (process.pid, -1));
    perf_event::open(&attributes, pid, processor)
}

/// When a process began, in clock ticks since boot: field 22 of /proc/PID/stat, after the name in parentheses.
fn began(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// The events in this list (`p:GROUP/EVENT FILE:OFFSET`, a line for each probe) that processes of ours made which are no
/// more.
fn left_behind(events: &str, began: impl Fn(u32) -> Option<u64>) -> Vec<&str> {
    let names = events.lines().filter_map(|line| {
        let name = line.strip_prefix("p:")?.split(' ').next()?;
        let (group, _) = name.strip_prefix(GROUP)?.split_once('/')?;
        let (pid, then) = group.split_once('_')?;
        let lives = began(pid.parse().ok()?) == Some(then.parse().ok()?);
        (!lives).then_some(name)
    });
    let mut names: Vec<&str> = names.collect();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_the_dead_are_left_behind() {
        let events = "p:grtmon_7_100/p0 /bin/a:0x0000000000000010\n\
                      p:grtmon_7_100/p0 /bin/a:0x0000000000000020\n\
                      p:grtmon_8_100/p0 /bin/a:0x0000000000000010\n\
                      p:grtmon_9_100/p3 /bin/a:0x0000000000000010\n\
                      p:others_7_100/p0 /bin/a:0x0000000000000010\n\
                      p:grtmon_mine/p0 /bin/a:0x0000000000000010\n";
        // 7 has ended, 8 lives, and 9 is somebody else by now.
        let began = |pid| match pid {
            8 => Some(100),
            9 => Some(900),
            _ => None,
        };
        assert_eq!(
            left_behind(events, began),
            ["grtmon_7_100/p0", "grtmon_9_100/p3"]
        );
    }

    #[test]
    fn our_own_beginning_is_known() {
        assert!(began(std::process::id()).is_some());
        assert_eq!(began(0), None);
    }
}
