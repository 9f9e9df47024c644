//! Every Go process on the machine.
//!
//! To tell Go programs from others only the headers of their files are read; each file is looked at once, however many
//! processes run it. Processes are looked at through /proc. Which file a process runs is told only to those who may read
//! the process too; of the others their command lines are known, and the first word of these often is the file's path.

use std::collections::HashMap;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::fs::File;
use std::io::ErrorKind;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use anyhow::Result;
use procfs::process::Process;

use crate::go::Anatomy;
use crate::go::Binary;
use crate::go::Image;

use super::ProgramFile;
use super::closed;
use super::extent;
use super::file_id::FileId;
use super::mapped::MappedFile;
use super::namespace;
use super::open_regular;
use super::patience;
use super::patience::Outcome;
use super::proc_mount;
use super::process;
use super::process::ProcessId;
use super::read;
use super::within;
use super::within::Within;

/// How long one program may take to read. A large one takes a tenth of a second, one that was made to keep us busy any
/// time.
const TIME: Duration = Duration::from_secs(5);

/// Bytes of a command line that are looked at. A process can make its own as long as it likes (prctl(2),
/// `PR_SET_MM_MAP`).
const COMMAND_LINE: u64 = 32 << 10;

/// Sections that only Go's linker makes (cmd/link/internal/ld, Go 1.13 to 1.27).
const SECTIONS: [&str; 5] = [
    ".go.buildinfo",
    ".gopclntab",
    ".data.rel.ro.gopclntab",
    ".note.go.buildid",
    ".go.module",
];

/// A Go program that processes run.
#[derive(Debug)]
pub struct Program {
    /// What it says about itself.
    pub binary: Binary,
    /// What reading its processes takes.
    pub anatomy: Anatomy,
    /// Whether that was held against one of them, and held.
    pub checked: bool,
}

/// A Go process.
#[derive(Debug)]
pub struct Found {
    /// The process.
    pub process: ProcessId,
    /// Which of [`Survey::programs`] it runs.
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

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Ascending by process id.
    pub processes: Vec<Found>,
    /// Programs, each once.
    pub programs: Vec<Program>,
    /// Further processes whose binary may not be looked at: they may be Go programs or not.
    pub closed: Vec<i32>,
    /// Whether /proc hides still others.
    pub hidden: bool,
    files: Files,
    /// Which of `programs` a file is; `None` if it turned out to be none that can be used.
    places: HashMap<FileId, Place>,
}

/// A program that was read.
enum Reading {
    /// It can be used.
    Program(Box<Program>),
    /// It is no Go program after all, or too old to be used.
    Useless,
    /// It is not to be read as a whole: see [`super::extent`].
    Refused,
}

/// What became of a file that looked like a Go program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is this one of [`Survey::programs`].
    Program(usize),
    /// It is none, or too old to be used.
    Useless,
    /// Reading it took too long, or would have.
    GivenUp,
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
        let mut pids: Vec<i32> = fs::read_dir("/proc")
            .context("cannot list processes")?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        pids.sort_unstable();
        self.closed.clear();
        self.hidden = proc_mount::hides_processes();
        let mut met = HashSet::new();
        let mut candidates: Vec<(ProcessId, Result<FileId, String>)> = Vec::new();
        for pid in pids {
            let exe = PathBuf::from(format!("/proc/{pid}/exe"));
            let file = match FileId::at(&exe) {
                Ok(file) => {
                    let Some((file, is_go)) = self.files.look(file, &exe) else {
                        continue;
                    };
                    met.insert(file);
                    match is_go {
                        true => Ok(file),
                        false => match run_by_loader(pid, &exe) {
                            Some(within) => Err(within),
                            None => continue,
                        },
                    }
                }
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    if !self.files.names_go(pid) && !closed::is_go(pid) {
                        // Kernel threads have no code of their own.
                        self.closed.extend(process::code_kib(pid).map(|_| pid));
                        continue;
                    }
                    Err(format!("{:#}", closed::reason(pid)))
                }
                // A kernel thread, or it has just ended.
                Err(_) => continue,
            };
            candidates.extend(ProcessId::of(pid).ok().map(|process| (process, file)));
        }
        self.files.known.retain(|file, _| met.contains(file));
        self.forget(&met);
        // Those that look like Go but cannot be used are no Go programs, or too old.
        let unread = std::mem::take(&mut self.files.unread);
        for (file, read) in read_programs(unread) {
            let place = match read {
                Outcome::Done(Reading::Program(program)) => {
                    self.programs.push(*program);
                    Place::Program(self.programs.len() - 1)
                }
                Outcome::Done(Reading::Useless) => Place::Useless,
                Outcome::Done(Reading::Refused) | Outcome::GivenUp => Place::GivenUp,
            };
            self.places.insert(file, place);
        }
        let (users, up) = (users(), uptime());
        let processes = candidates
            .into_iter()
            .filter_map(|(process, file)| match file {
                Err(why) => Some(Found::of(process, Err(why), &users, up)),
                Ok(file) => match self.places.get(&file)? {
                    Place::Program(place) => Some(Found::of(process, Ok(*place), &users, up)),
                    Place::Useless => None,
                    Place::GivenUp => {
                        let pid = process.pid;
                        let why = format!(
                            "cannot read process {pid}: its program takes more time to read than any should (grtmon doctor --pid {pid} says more)"
                        );
                        Some(Found::of(process, Err(why), &users, up))
                    }
                },
            });
        self.processes = processes.collect();
        Ok(())
    }

    /// Forgets the programs that nobody runs any more.
    fn forget(&mut self, met: &HashSet<FileId>) {
        self.places.retain(|file, _| met.contains(file));
        let program = |place: &Place| match place {
            Place::Program(place) => Some(*place),
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
            if let Place::Program(place) = place {
                *place = moved.get(place).copied().unwrap_or(*place);
            }
        }
    }
}

/// The files that were looked at.
#[derive(Debug, Default)]
struct Files {
    /// Whether they look like Go programs.
    known: HashMap<FileId, bool>,
    /// Those that do and were not read yet, open, with a path for people.
    unread: Vec<(ProgramFile, PathBuf)>,
}

impl Files {
    /// Which file is at a path now, and whether it looks like a Go program. It was `file` a moment ago; only one that is
    /// not known is opened, and then that very one is looked at.
    fn look(&mut self, file: FileId, path: &Path) -> Option<(FileId, bool)> {
        if let Some(known) = self.known.get(&file) {
            return Some((file, *known));
        }
        let open = ProgramFile::open(path).ok()?;
        let file = open.id();
        let is_go = *self.known.entry(file).or_insert_with(|| {
            sections(open.file()).is_some_and(|found| found != Sections::OfOthers)
        });
        if is_go && !self.unread.iter().any(|(known, _)| known.id() == file) {
            self.unread.push((open, path.to_owned()));
        }
        Some((file, is_go))
    }

    /// Whether the first word of a command line is the path of a file that certainly is a Go program.
    fn names_go(&self, pid: i32) -> bool {
        let cmdline = beginning(pid, "cmdline");
        let word = cmdline.split(|byte| *byte == 0).next().unwrap_or_default();
        let path = Path::new(OsStr::from_bytes(word));
        let file = path
            .is_absolute()
            .then(|| open_regular(path).ok())
            .flatten();
        file.and_then(|file| sections(&file))
            .is_some_and(|found| found == Sections::OfGo)
    }
}

/// What the section headers of a file say; without any only reading it whole will tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sections {
    /// There are none.
    Missing,
    /// Some are those that Go's linker makes.
    OfGo,
    /// None is.
    OfOthers,
}

/// Reads only the headers of a file; `None` if it is no program.
fn sections(file: &File) -> Option<Sections> {
    let image = Image::parse(MappedFile::new(file).ok()?).ok()?;
    let is_go = SECTIONS.iter().any(|name| image.section(name).is_some());
    Some(match image.sections() {
        [] => Sections::Missing,
        _ if is_go => Sections::OfGo,
        _ => Sections::OfOthers,
    })
}

/// Whether a file of Go is a program that is run, or else a library; `None` if it is not of Go at all.
pub(super) fn is_go_program(path: &Path) -> Option<bool> {
    let file = open_regular(path).ok()?;
    let image = Image::parse(MappedFile::new(&file).ok()?).ok()?;
    let is_go = SECTIONS.iter().any(|name| image.section(name).is_some());
    is_go.then(|| !image.is_library())
}

/// Reads programs, on all processors.
fn read_programs(
    files: Vec<(ProgramFile, PathBuf)>,
) -> impl Iterator<Item = (FileId, Outcome<Reading>)> {
    let ids: Vec<FileId> = files.iter().map(|(file, _)| file.id()).collect();
    let read = patience::each(files, TIME, |(file, path)| program(file, path));
    ids.into_iter().zip(read)
}

fn program(file: &ProgramFile, path: &Path) -> Reading {
    match read(file, path) {
        Ok(binary) => {
            let anatomy = Anatomy::of(&binary);
            if binary.image().require_unchanged().is_err() {
                return Reading::Useless;
            }
            Reading::Program(Box::new(Program {
                binary,
                anatomy,
                checked: false,
            }))
        }
        Err(_) if extent::require_contents(file.file()).is_err() => Reading::Refused,
        Err(_) => Reading::Useless,
    }
}

impl Found {
    fn of(
        process: ProcessId,
        program: Result<usize, String>,
        users: &HashMap<u32, String>,
        up: Option<Duration>,
    ) -> Self {
        let pid = process.pid;
        let status = Process::new(pid).and_then(|process| process.status());
        Self {
            user: status.map_or_else(
                |_| "?".to_owned(),
                |status| match users.get(&status.euid) {
                    Some(name) => name.clone(),
                    None => status.euid.to_string(),
                },
            ),
            command: command(&beginning(pid, "cmdline")).unwrap_or_else(|| process.shown_name()),
            uptime: up.and_then(|up| up.checked_sub(process.started())),
            container: container(&String::from_utf8_lossy(&beginning(pid, "cgroup"))),
            process,
            program: program.as_ref().ok().copied(),
            unread: program.err(),
        }
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

/// The beginning of a file in /proc/PID; nothing if it cannot be read.
fn beginning(pid: i32, name: &str) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{pid}/{name}")) {
        // What was read until it failed is as good as any.
        let _ = file.take(COMMAND_LINE).read_to_end(&mut text);
    }
    text
}

/// The users that /etc/passwd names (passwd(5)). Others are known by their numbers: what else there is to ask needs
/// shared libraries, which a static grtmon has not.
fn users() -> HashMap<u32, String> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    text.lines().filter_map(user).collect()
}

/// The words of a command line, as they are: who shows them sees to it that no terminal obeys them.
fn command(cmdline: &[u8]) -> Option<String> {
    let words = String::from_utf8_lossy(cmdline);
    let words: Vec<&str> = words.split('\0').filter(|word| !word.is_empty()).collect();
    let text = words.join(" ");
    (!text.is_empty()).then_some(text)
}

/// The 64 hexadecimal digits that container engines name a control group after: `…/docker-ID.scope`, `…/docker/ID`,
/// `…/cri-containerd-ID.scope`, `…/libpod-ID.scope/container`.
fn container(cgroup: &str) -> Option<String> {
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
        let own = Files::default().look(
            FileId::at(Path::new("/proc/self/exe")).unwrap(),
            Path::new("/proc/self/exe"),
        );
        assert!(!own.unwrap().1);
        assert!(!Files::default().names_go(std::process::id().cast_signed()));
        let survey = survey().unwrap();
        let me = std::process::id().cast_signed();
        assert!(survey.processes.iter().all(|found| found.process.pid != me));
    }
}
