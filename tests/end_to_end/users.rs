//! Runs grtmon as other users, with exactly the capabilities that a test gives.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::common::{Build, Fixture, Output, PATIENCE, Process, copy_program, fixture, newest};

/// A user that no file belongs to.
pub(crate) const NOBODY: u32 = 65534;
/// Another one.
pub(crate) const SOMEBODY: u32 = 65533;

/// A directory that everybody may enter, with a grtmon and a fixture that everybody may run.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) directory: PathBuf,
    pub(crate) grtmon: PathBuf,
    pub(crate) testgo: PathBuf,
}

impl Public {
    pub(crate) fn new(name: &str) -> Self {
        // Where nobody else can reach the build directory.
        let directory = std::env::temp_dir().join(format!("grtmon-{name}.{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let place = |name, from: &Path| {
            let to = directory.join(name);
            copy_program(from, &to);
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
            to
        };
        Self {
            grtmon: place("grtmon", Path::new(env!("CARGO_BIN_EXE_grtmon"))),
            testgo: place("testgo", &fixture(newest(), Build::STRIPPED_PIE)),
            directory,
        }
    }

    /// The fixture as a user's process.
    pub(crate) fn fixture(&self, user: u32, mode: &[&str]) -> Fixture {
        let mut command = Command::new(&self.testgo);
        command.args(mode).uid(user).gid(user);
        Fixture::start_command(command)
    }

    /// A command that runs grtmon as [`NOBODY`] with these capabilities and no others.
    pub(crate) fn with(&self, capabilities: &[&str]) -> Command {
        with(NOBODY, capabilities, &self.grtmon)
    }
}

impl Drop for Public {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A command that runs a program as a user with these capabilities and no others.
pub(crate) fn with(user: u32, capabilities: &[&str], program: &Path) -> Command {
    let mut set = "-all".to_owned();
    for capability in capabilities {
        set += &format!(",+{capability}");
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"))
        .arg("--clear-groups")
        .arg(format!("--inh-caps={set}"))
        .arg(format!("--ambient-caps={set}"))
        .arg(program)
        .env("NO_COLOR", "1");
    command
}

/// A command that runs a program as root, without these capabilities.
pub(crate) fn root_without(capabilities: &[&str], program: &Path) -> Command {
    let set: Vec<String> = capabilities.iter().map(|it| format!("-{it}")).collect();
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--bounding-set={}", set.join(",")))
        .arg("--inh-caps=-all")
        .arg(program)
        .env("NO_COLOR", "1");
    command
}

/// Runs it to its end.
pub(crate) fn run(mut command: Command, arguments: &[&str]) -> Output {
    command.args(arguments);
    crate::common::Grtmon::of(Process::start(command)).end(PATIENCE)
}

/// Fails unless grtmon refused in one line with all of these words.
pub(crate) fn refused(output: &Output, words: &[&str]) {
    let said = &output.stderr;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(output.stdout, "");
    assert!(
        said.lines().count() == 1 && said.starts_with("grtmon: "),
        "{said}"
    );
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}
