//! A process that is no more, by its core dump.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::sys::signal::Signal;

use crate::go::process::core_file::Core;

use super::Program;
use super::mapped::MappedFile;
use super::unpacked;

/// A core dump and the program that it is of.
#[derive(Debug)]
pub struct CoreDump {
    /// The dump.
    pub core: Core,
    /// The program.
    pub program: Program,
    /// Where the program was entered.
    pub entered_at: u64,
    /// Why the dump is not whole, if it was not unpacked to its end.
    pub incomplete: Option<String>,
}

/// `SIGABRT`, or `signal 34` for what has no name.
pub fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(
        |_| format!("signal {number}"),
        |signal| signal.as_str().to_owned(),
    )
}

impl CoreDump {
    /// Opens a core dump, and the program at `program` or, if that is not given, where the process found it.
    ///
    /// # Errors
    /// Not a core dump of a Go program, or the program is not there, or it is another one.
    pub fn open(path: &Path, program: Option<&Path>) -> Result<Self> {
        let shown = path.display();
        let file = super::open_regular(path).context("cannot use the core dump")?;
        let (file, incomplete) = match unpacked::unpack(&file, &shown.to_string())? {
            Some(unpacked) => (unpacked.file, unpacked.incomplete),
            None => (file, None),
        };
        let bytes = MappedFile::new(&file).with_context(|| format!("cannot map {shown}"))?;
        let core = Core::parse(bytes).with_context(|| format!("cannot use {shown}"))?;
        let Some(entered_at) = core.entered_at() else {
            bail!("{shown} does not say where its program was loaded (no NT_AUXV note)");
        };
        let program = match (program, core.program()) {
            (Some(program), _) => program.to_owned(),
            (None, Some(mapped)) => PathBuf::from(&mapped.path),
            (None, None) => {
                bail!("{shown} does not say which program it is of: name it with --binpath")
            }
        };
        let program = Program::open(&program)
            .context("cannot find the program that dumped core: name it with --binpath")?;
        if core.contradicts(program.binary.image()) {
            let name = program.path.display();
            bail!("{name} is not the program that {shown} is of: name that one with --binpath");
        }
        Ok(Self {
            core,
            program,
            entered_at,
            incomplete,
        })
    }

    /// Refuses to have read a dump, or a program, that somebody wrote to meanwhile.
    ///
    /// # Errors
    /// [`GoError::Changed`](crate::go::GoError::Changed).
    pub fn require_unchanged(&self) -> Result<()> {
        self.core.require_unchanged()?;
        self.program.require_unchanged()
    }
}
