//! One executable: read once for all who look at its processes, and gone with the last of them.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;

use anyhow::Context;
use anyhow::Result;

use crate::go::Binary;
use crate::go::RuntimeInfo;
use crate::go::layout::Field;
use crate::go::process::verify::Report;
use crate::go::site::runtime_functions::Runtime;

use super::ProgramFile;

/// A program.
#[derive(Debug)]
pub struct Program {
    /// What it says about itself.
    pub binary: Binary,
    /// The path by which it was found, for people.
    pub path: PathBuf,
    /// The file that was read, and into which its probes go.
    pub file: Arc<ProgramFile>,
    runtime_info: OnceLock<Arc<RuntimeInfo>>,
    /// What was held against one of its processes, and held.
    held: Mutex<Option<Arc<RuntimeInfo>>>,
}

impl Program {
    /// The program at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::read(Arc::new(ProgramFile::open(path)?), path)
    }

    /// The program in a file that was found at `path`.
    pub(super) fn read(file: Arc<ProgramFile>, path: &Path) -> Result<Self> {
        Ok(Self {
            binary: binary(&file, path)?,
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            file,
            runtime_info: OnceLock::new(),
            held: Mutex::default(),
        })
    }

    /// Refuses to go on when the file has changed since it was opened: nothing that was found in it can be relied on.
    ///
    /// # Errors
    /// It has.
    pub fn require_unchanged(&self) -> Result<()> {
        let image = self.binary.image();
        image
            .require_unchanged()
            .with_context(|| format!("cannot use {}", self.path.display()))
    }

    /// Where the runtime's variables lie and how they are built, as far as the file says: found out once, when somebody
    /// first asks. That takes some tens of milliseconds.
    pub fn runtime_info(&self) -> &Arc<RuntimeInfo> {
        self.runtime_info
            .get_or_init(|| Arc::new(RuntimeInfo::of(&self.binary)))
    }

    /// The same for who knows the functions of the runtime already.
    pub fn anatomy_by(&self, runtime: &Runtime<'_>) -> &Arc<RuntimeInfo> {
        self.runtime_info
            .get_or_init(|| Arc::new(RuntimeInfo::of_runtime(runtime)))
    }

    /// What was held against one of its processes, and held.
    pub fn held(&self) -> Option<Arc<RuntimeInfo>> {
        self.held_or_not().clone()
    }

    /// This was held against one of its processes. A layout that has held in one, all of it, holds in all.
    pub fn was_held(&self, runtime_info: &RuntimeInfo, report: &Report) {
        let layout = &runtime_info.layout;
        let is_certain = !Field::ALL.iter().any(|field| layout.is_assumed(*field));
        if is_certain && report.ended.is_none() && report.failures().next().is_none() {
            *self.held_or_not() = Some(Arc::new(runtime_info.clone()));
        }
    }

    fn held_or_not(&self) -> MutexGuard<'_, Option<Arc<RuntimeInfo>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is in a file of Go that was found at `path`.
pub(super) fn binary(file: &ProgramFile, path: &Path) -> Result<Binary> {
    let shown = path.display();
    let contents = file.file().require_contents();
    contents.with_context(|| format!("cannot use {shown}"))?;
    let bytes = file.map().with_context(|| format!("cannot map {shown}"))?;
    Binary::parse(bytes).with_context(|| format!("cannot use {shown}"))
}
