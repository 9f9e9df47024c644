//! The file of a program: one open file, from the first byte that is read of it to the last probe that is taken away.
//! What its path names may be another file by then.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use anyhow::Context;
use anyhow::Result;

use super::file_id::FileId;
use super::guard::Change;
use super::guard::Guard;
use super::guard::Happened;
use super::mapped::MappedFile;
use super::opened::Opened;
use super::same_pages;

/// So many looks until what changes between two of them is not waited for any more.
const LOOKS: u32 = 3;

/// An open program.
#[derive(Debug)]
pub struct ProgramFile {
    file: Opened,
    as_read: FileId,
    /// Of files seen through other overlays: whether they are this one.
    below: Mutex<HashMap<FileId, bool>>,
    /// Whether of some that could not be told.
    untold: AtomicBool,
    guard: Mutex<Weak<Guard>>,
    happened: Happened,
}

impl ProgramFile {
    /// Opens a file. Nothing of it has been read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = super::opened::open_program(path)?;
        let as_read = file
            .now()
            .with_context(|| format!("cannot look at {}", path.display()))?;
        Ok(Self {
            file,
            as_read,
            below: Mutex::default(),
            untold: AtomicBool::new(false),
            guard: Mutex::default(),
            happened: Happened::default(),
        })
    }

    /// What is in it.
    pub(super) fn map(&self) -> io::Result<MappedFile> {
        self.file.map()
    }

    /// As it was when it was opened.
    pub(super) fn id(&self) -> FileId {
        self.as_read
    }

    /// The open file.
    pub fn file(&self) -> &Opened {
        &self.file
    }

    /// Whether this is the file at a path, so that probes on one are probes on the other.
    pub(super) fn is_at(&self, path: &Path) -> io::Result<bool> {
        for _ in 0..LOOKS {
            let (this, that) = (FileId::of(self.file.file())?, FileId::at(path)?);
            if this.is_same(&that) {
                return Ok(true);
            }
            if !this.is_same_inode(&that) {
                return Ok(this.may_be_same_below(&that) && self.is_same_below(that, path));
            }
            // Something was done to it between the looks: it lost a name, as by an upgrade.
        }
        Ok(false)
    }

    /// Whether a file seen through another overlay is this one.
    fn is_same_below(&self, that: FileId, path: &Path) -> bool {
        let mut below = self.below.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = below.get(&that) {
            return *known;
        }
        let open = Opened::open(path).ok();
        let open = open.filter(|it| FileId::of(it.file()).is_ok_and(|now| now.is_same(&that)));
        let Some(open) = open.filter(|it| !it.is_far() && !self.file.is_far()) else {
            return false;
        };
        if !self.file.is_on_overlay() && !open.is_on_overlay() {
            below.insert(that, false);
            return false;
        }
        match same_pages::are_same(self.file.file(), open.file()) {
            Some(same) => {
                below.insert(that, same);
                same
            }
            None => {
                self.untold.store(true, Ordering::Relaxed);
                false
            }
        }
    }

    /// Whether a file was met that may be this one, seen through another overlay, or not: that was not to be told.
    pub(super) fn has_untold(&self) -> bool {
        self.untold.load(Ordering::Relaxed)
    }

    /// The file's guard, who is there as long as somebody has it.
    ///
    /// # Errors
    /// The file is not as it was when it was read, or somebody writes to it.
    pub fn guard(&self) -> Result<Arc<Guard>> {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = guard.upgrade() {
            return Ok(guard);
        }
        let new = Arc::new(Guard::set(&self.file, self.as_read, &self.happened)?);
        *guard = Arc::downgrade(&new);
        Ok(new)
    }

    /// What was done to the file while it was guarded.
    pub(super) fn change(&self) -> Option<Change> {
        let told = self.happened.get().copied();
        told.or_else(|| {
            let guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
            // The last look of an observation may come before the guard's next.
            let is_noticed = guard.upgrade()?.has_changed();
            is_noticed.then_some(Change::Begun)
        })
    }
}
