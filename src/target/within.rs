//! Go code in a process whose own program is none of Go's: a Go program that was handed to the dynamic loader, or a
//! library written in Go that a C program has loaded. Neither can be observed by the process; this is to say so.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use super::go_sections;
use super::maps;

/// What of Go a process has in it besides its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Within {
    /// A program, run by a loader.
    Program(PathBuf),
    /// A library.
    Library(PathBuf),
}

/// Whether a file is called like a dynamic loader: ld-linux-x86-64.so.2, ld-2.31.so, ld-musl-x86_64.so.1, ld.so.
pub(super) fn is_loader(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("ld-") || name == "ld.so"
}

/// The Go program that a command gives to the dynamic loader to run.
pub(super) fn given_to_loader(path: &Path, command: &[OsString]) -> Option<PathBuf> {
    let mut words = command.iter().skip(1).map(PathBuf::from);
    let is_program = |word: &PathBuf| go_sections::is_go_program(word) == Some(true);
    is_loader(path).then(|| words.find(is_program))?
}

/// The files a process has mapped, more of which are not looked at.
const MAX_FILES: usize = 4096;

/// Looks for Go among the code that a process has mapped.
pub(super) fn find(pid: i32) -> Option<Within> {
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let own = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let maps = maps::read(pid).ok()?;
    let mut seen = HashSet::new();
    let files = code(&maps).filter(|path| seen.insert(*path));
    let files = files.filter(|path| own.as_deref() != Some(Path::new(path)));
    for path in files.take(MAX_FILES) {
        // As it is named in the mount namespace of the process.
        let inside = root.join(path.trim_start_matches('/'));
        match go_sections::is_go_program(&inside) {
            Some(true) => return Some(Within::Program(PathBuf::from(path))),
            Some(false) => return Some(Within::Library(PathBuf::from(path))),
            None => {}
        }
    }
    None
}

/// The paths of the files of which code is mapped (proc(5), /proc/PID/maps).
pub(super) fn code(maps: &str) -> impl Iterator<Item = &str> {
    maps.lines().filter_map(|line| {
        let mut words = line.splitn(6, ' ');
        let rights = words.nth(1)?;
        let path = words.nth(3)?.trim_start();
        (rights.contains('x') && path.starts_with('/')).then_some(path)
    })
}

impl Within {
    /// What to do, for people.
    pub(super) fn advice(&self, pid: i32) -> String {
        match self {
            Self::Program(path) => {
                let path = path.display();
                format!(
                    "process {pid} runs through the dynamic loader; the Go program is {path}: observe it with --binpath {path}, or start it without the loader"
                )
            }
            Self::Library(path) => format!(
                "process {pid} is not a Go program, but has loaded the Go library {0}, of which only what happens from now on can be seen: gr, gr seq and gc with --binpath {0} show it, in every process that has loaded it",
                path.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_code_are_told_from_others() {
        let maps = "\
55d0-55d1 r--p 00000000 08:01 12 /lib/ld.so
55d1-55d2 r-xp 00001000 08:01 12         /lib/ld.so
7f00-7f01 r-xp 00000000 00:00 0          [vdso]
7f02-7f03 r-xp 00000000 00:00 0
7f04-7f05 rwxp 00000000 08:01 13         /srv/a program
";
        let found: Vec<&str> = code(maps).collect();
        assert_eq!(found, ["/lib/ld.so", "/srv/a program"]);
    }
}
