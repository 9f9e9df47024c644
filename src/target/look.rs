//! One look at a process: does it run a Go program, whose is it, what is it called.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;

use super::ProgramFile;
use super::absence::is_absent;
use super::aside;
use super::closed;
use super::far;
use super::file_id::FileId;
use super::go_sections::Sections;
use super::go_sections::sections;
use super::opened::Opened;
use super::process;
use super::process::ProcessId;
use super::texts;
use super::within;
use super::within::Within;

/// Bytes of a command line that are looked at. A process can make its own as long as it likes (prctl(2),
/// `PR_SET_MM_MAP`).
const COMMAND_LINE: usize = 32 << 10;

/// A Go process.
#[derive(Debug, Clone)]
pub struct Found {
    /// The process.
    pub process: ProcessId,
    /// Which of [`Survey::programs`](super::survey::Survey::programs) it runs.
    pub program: Option<usize>,
    /// Why that is not known, of what is a Go program all the same.
    pub unread: Option<String>,
    /// Name of its user, or the number.
    pub user: String,
    /// Its command line, for people.
    pub command: String,
    /// How long it has been running.
    pub uptime: Option<Duration>,
    /// Id of its container, if /proc/PID/cgroup names one.
    pub container: Option<String>,
}

/// What a look at a process shows.
#[derive(Debug)]
pub(super) enum Seen {
    /// No Go program: this file, or none at all.
    Other(Option<FileId>),
    /// What it runs may not be looked at.
    Closed,
    /// What it runs cannot be looked at: whoever has the file does not answer.
    Silent,
    /// It could not be looked at, and why.
    Failed(anyhow::Error),
    /// It runs this file, which looks like a Go program, or is one of which is known why it cannot be read.
    Go(Box<Found>, Option<FileId>),
}

/// What all processes have in common.
#[derive(Debug)]
pub(super) struct Machine {
    users: HashMap<u32, String>,
    up: Option<Duration>,
}

impl Machine {
    pub(super) fn now() -> Self {
        Self {
            users: users(),
            up: uptime(),
        }
    }
}

/// The files that were looked at.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether they look like Go programs.
    files: HashMap<FileId, bool>,
    /// Those that do and were not read yet, open, with a path for people.
    unread: Vec<(Arc<ProgramFile>, PathBuf)>,
}

impl Files {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a process. This may take any time.
    pub(super) fn look(&self, pid: i32, machine: &Machine) -> Seen {
        let exe = PathBuf::from(format!("/proc/{pid}/exe"));
        let (file, unread) = match FileId::at(&exe) {
            Ok(file) => match self.is_go(file, &exe) {
                Ok(Some((file, true))) => (Some(file), None),
                Ok(Some((file, false))) => match run_by_loader(pid, &exe) {
                    Some(why) => (Some(file), Some(why)),
                    None => return Seen::Other(Some(file)),
                },
                Ok(None) => return Seen::Other(None),
                Err(why) if far::is_silence(&why) => {
                    // What is in memory of it may tell.
                    if !closed::is_go(pid) {
                        return Seen::Silent;
                    }
                    (None, Some(format!("{:#}", closed::silence(pid))))
                }
                Err(why) => {
                    return Seen::Failed(why.context(format!("cannot look at process {pid}")));
                }
            },
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                if !self.names_go(pid) && !closed::is_go(pid) {
                    // Kernel threads have no code of their own.
                    return match process::code_kib(pid) {
                        Some(_) => Seen::Closed,
                        None => Seen::Other(None),
                    };
                }
                (None, Some(format!("{:#}", closed::reason(pid))))
            }
            // A kernel thread, or it has just ended.
            Err(error) if is_absent(&error) => return Seen::Other(None),
            Err(error) => {
                let why = anyhow::Error::new(error);
                return Seen::Failed(why.context(format!("cannot look at process {pid}")));
            }
        };
        match ProcessId::find(pid) {
            Ok(Some(process)) => {
                let found = Found {
                    unread,
                    ..Found::of(process, machine)
                };
                Seen::Go(Box::new(found), file)
            }
            Ok(None) => Seen::Other(file),
            Err(why) => Seen::Failed(why),
        }
    }

    /// Which file is at a path now, and whether it looks like a Go program. It was `file` a moment ago; only one that is
    /// not known is opened, and then that very one is looked at.
    /// `None` if there is none any more.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn is_go(&self, file: FileId, path: &Path) -> Result<Option<(FileId, bool)>> {
        if let Some(known) = self.known().files.get(&file) {
            return Ok(Some((file, *known)));
        }
        let open = match ProgramFile::open(path) {
            Ok(open) => open,
            Err(why) => {
                let system = why.root_cause().downcast_ref();
                return match system.is_some_and(is_absent) {
                    true => Ok(None),
                    false => Err(why),
                };
            }
        };
        let file = open.id();
        if let Some(known) = self.known().files.get(&file) {
            return Ok(Some((file, *known)));
        }
        // To look at the sections of one that is far is to read it whole.
        let is_go = (open.file().is_far() && closed::begins_as_go(open.file()))
            || sections(open.file())?.is_some_and(|found| found != Sections::OfOthers);
        let mut known = self.known();
        // Another thread may have looked at it meanwhile.
        if known.files.insert(file, is_go).is_none() && is_go {
            known.unread.push((Arc::new(open), path.to_owned()));
        }
        Ok(Some((file, is_go)))
    }

    /// The files that have not been read yet. They will be.
    pub(super) fn take_unread(&self) -> Vec<(Arc<ProgramFile>, PathBuf)> {
        std::mem::take(&mut self.known().unread)
    }

    /// Forgets all files but those.
    pub(super) fn keep(&self, is_met: impl Fn(&FileId) -> bool) {
        self.known().files.retain(|file, _| is_met(file));
    }

    /// Whether the first word of a command line is the path of a file that certainly is a Go program.
    fn names_go(&self, pid: i32) -> bool {
        let cmdline = beginning(pid, "cmdline");
        let word = cmdline.split(|byte| *byte == 0).next().unwrap_or_default();
        let path = Path::new(OsStr::from_bytes(word));
        let file = path
            .is_absolute()
            .then(|| Opened::open(path).ok())
            .flatten();
        file.and_then(|file| sections(&file).ok()?)
            .is_some_and(|found| found == Sections::OfGo)
    }
}

/// What to say of a process whose program is the dynamic loader, which runs a Go program that it was given.
fn run_by_loader(pid: i32, exe: &Path) -> Option<String> {
    let link = fs::read_link(exe).ok()?;
    if !within::is_loader(&link) {
        return None;
    }
    match within::find(pid)? {
        within @ Within::Program(_) => Some(within.advice(pid)),
        Within::Library(_) => None,
    }
}

impl Found {
    fn of(process: ProcessId, machine: &Machine) -> Self {
        let pid = process.pid;
        let status = texts::status(pid);
        Self {
            user: status.map_or_else(
                || "?".to_owned(),
                |status| match machine.users.get(&status.euid) {
                    Some(name) => name.clone(),
                    None => status.euid.to_string(),
                },
            ),
            command: command(&beginning(pid, "cmdline")).unwrap_or_else(|| process.shown_name()),
            uptime: machine.up.and_then(|up| up.checked_sub(process.started())),
            container: container(&String::from_utf8_lossy(&beginning(pid, "cgroup"))),
            process,
            program: None,
            unread: None,
        }
    }
}

/// The beginning of a file in /proc/PID; nothing if it cannot be read.
fn beginning(pid: i32, name: &str) -> Vec<u8> {
    aside::read_all(pid, name, COMMAND_LINE).unwrap_or_default()
}

/// The users that /etc/passwd names (passwd(5)). Others are known by their numbers: what else there is to ask needs
/// shared libraries, which a static grtmon has not.
fn users() -> HashMap<u32, String> {
    users_in(&texts::read("/etc/passwd").unwrap_or_default())
}

pub(super) fn users_in(text: &str) -> HashMap<u32, String> {
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(user).collect()
}

/// The words of a command line, as they are: who shows them sees to it that no terminal obeys them.
pub(super) fn command(cmdline: &[u8]) -> Option<String> {
    let words = String::from_utf8_lossy(cmdline);
    let words: Vec<&str> = words.split('\0').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    (!text.is_empty()).then_some(text)
}

/// The 64 hexadecimal digits that container engines name a control group after: `…/docker-ID.scope`, `…/docker/ID`,
/// `…/cri-containerd-ID.scope`, `…/libpod-ID.scope/container`.
pub(super) fn container(cgroup: &str) -> Option<String> {
    let mut runs = cgroup.split(|c: char| !c.is_ascii_hexdigit());
    runs.rfind(|run| run.len() == 64).map(str::to_owned)
}

/// How long the machine has been up (proc(5), /proc/uptime).
fn uptime() -> Option<Duration> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_named_by_their_control_groups() {
        let id = "0123456789abcdef".repeat(4);
        for line in [
            format!("0::/system.slice/docker-{id}.scope\n"),
            format!("12:cpu:/docker/{id}\n0::/\n"),
            format!("0::/kubepods.slice/pod1.slice/cri-containerd-{id}.scope"),
            format!("0::/user.slice/libpod-{id}.scope/container"),
        ] {
            assert_eq!(container(&line).as_deref(), Some(id.as_str()), "{line}");
        }
        assert_eq!(container("0::/user.slice/session-3.scope\n"), None);
    }

    #[test]
    fn command_lines_are_words() {
        assert_eq!(command(b"/bin/a\0-x\0\0").as_deref(), Some("/bin/a -x"));
        assert_eq!(command(b"a\x1b[31m\n\0").as_deref(), Some("a\x1b[31m\n"));
        assert_eq!(command(b""), None);
    }

    #[test]
    fn what_is_not_go_is_left_out() {
        let files = Files::default();
        let me = std::process::id().cast_signed();
        let seen = files.look(me, &Machine::now());
        assert!(matches!(seen, Seen::Other(Some(_))), "{seen:?}");
        assert!(!files.names_go(me) && files.take_unread().is_empty());
    }
}
