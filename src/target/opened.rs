//! A regular file of a program, open: one that lies near, or one that a server has to give (see [`super::far`]).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;

use anyhow::Context;
use anyhow::Result;
use memmap2::Mmap;
use nix::sys::statfs::OVERLAYFS_SUPER_MAGIC;
use nix::sys::statfs::fstatfs;

use super::extent;
use super::far;
use super::file_id::FileId;
use super::fuse;
use super::mapped::MappedFile;
use super::open;

/// An open file.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Of one that is far only the place.
    file: Arc<File>,
    /// What is in one that is far, once it has been read.
    far: Option<Arc<OnceLock<Arc<Mmap>>>>,
}

/// Opens the file of a program; says so if it lies where only another user may read.
///
/// # Errors
/// As [`Opened::open`].
pub(super) fn open_program(path: &Path) -> Result<Opened> {
    Opened::open(path).map_err(|why| {
        let denied = why.downcast_ref::<io::Error>();
        let denied = denied.is_some_and(|it| it.kind() == io::ErrorKind::PermissionDenied);
        let obstacle = match denied {
            true => fuse::obstacle_of_file(path),
            false => None,
        };
        match obstacle {
            Some(obstacle) => why.context(obstacle),
            None => why,
        }
    })
}

impl Opened {
    /// Opens a regular file for reading; never blocks on what is none.
    ///
    /// # Errors
    /// As [`open::open_regular`]; [`io::ErrorKind::TimedOut`] at the root of it if a server does not answer.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let place = open::regular_place(path)?;
        let cannot = || format!("cannot open {}", path.display());
        if far::is_far(&place).with_context(cannot)? {
            return Ok(Self {
                file: Arc::new(place),
                far: Some(Arc::default()),
            });
        }
        Ok(Self::near(open::reopen(&place).with_context(cannot)?))
    }

    /// One that is open already, and no server's.
    pub(super) fn near(file: File) -> Self {
        Self {
            file: Arc::new(file),
            far: None,
        }
    }

    /// What stands for it here, by which it is found and not read: see [`open::descriptor_path`].
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Whether a server has to give it.
    pub(super) fn is_far(&self) -> bool {
        self.far.is_some()
    }

    /// Whether it is seen through an overlay.
    pub(super) fn is_on_overlay(&self) -> bool {
        let kind = || fstatfs(&*self.file).map(|it| it.filesystem_type());
        !self.is_far() && kind() == Ok(OVERLAYFS_SUPER_MAGIC)
    }

    /// How it is now.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub(super) fn now(&self) -> io::Result<FileId> {
        if !self.is_far() {
            return FileId::now(&self.file);
        }
        far::renew(&self.file)?;
        FileId::of(&self.file)
    }

    /// Reads all of this from a place in it on.
    ///
    /// # Errors
    /// It cannot be read, or is not there.
    pub(super) fn read_exact_at(&self, buf: &mut [u8], at: u64) -> io::Result<()> {
        match self.is_far() {
            true => far::read_exact_at(&self.file, buf, at),
            false => self.file.read_exact_at(buf, at),
        }
    }

    /// What is in it.
    ///
    /// # Errors
    /// It cannot be mapped, or read.
    pub(super) fn map(&self) -> io::Result<MappedFile> {
        let Some(copy) = &self.far else {
            return MappedFile::new(&self.file);
        };
        let bytes = match copy.get() {
            Some(bytes) => Arc::clone(bytes),
            None => {
                let bytes = Arc::new(far::copy(&self.file)?);
                Arc::clone(copy.get_or_init(|| bytes))
            }
        };
        MappedFile::copied(bytes, &self.file)
    }

    /// How many of its bytes are really there.
    pub(super) fn contents(&self) -> u64 {
        let size = FileId::of(&self.file).map_or(0, |it| it.size());
        match self.is_far() {
            true => size,
            false => extent::contents(&self.file, size),
        }
    }

    /// Refuses one that cannot be looked through: see [`extent`].
    ///
    /// # Errors
    /// It cannot.
    pub(super) fn require_contents(&self) -> Result<()> {
        match self.is_far() {
            // It was, to make the copy.
            true => Ok(()),
            false => extent::require_contents(&self.file),
        }
    }
}
