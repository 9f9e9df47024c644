//! The code of a program in its file and in the memory of the processes that run it, held against what was decoded.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;
use procfs::process::MMPermissions;
use procfs::process::MMapPath;
use procfs::process::MemoryMap;
use procfs::process::MemoryMaps;

use crate::go::Machine;
use crate::go::MemoryError;
use crate::go::Piece;
use crate::go::ReadMemory;
use crate::go::site::Site;
use crate::go::site::site_code::Found;

use super::Target;
use super::file_id::FileId;
use super::maps;
use super::memory::ProcessMemory;
use super::process;
use super::process::ProcessId;
use super::program_file::ProgramFile;
use super::refusal;

/// What is needed of a target to find its code in processes.
#[derive(Debug, Clone)]
pub struct CodeFile {
    file: Arc<ProgramFile>,
    machine: Machine,
    is_pie: bool,
    code_end: u64,
}

/// What the memory of a process holds at some sites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// At each site, in their order.
    pub found: Vec<At>,
}

/// What the memory of a process holds at one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Memory that is mapped from the file, which holds this.
    File(Found),
    /// Memory that is not mapped from that place in the file, at this address.
    Elsewhere(u64),
}

impl CodeFile {
    /// That of a target.
    pub fn of(target: &Target) -> Self {
        let image = target.program.binary.image();
        Self {
            file: Arc::clone(&target.program.file),
            machine: image.machine(),
            is_pie: image.is_pie(),
            code_end: image.code_end(),
        }
    }

    /// All processes that run the file now, as far as grtmon may know.
    pub fn processes(&self) -> Vec<ProcessId> {
        process::running(|exe| self.file.is_at(exe), |_| false).processes
    }

    /// Whether a process runs the file now.
    pub fn is_run_by(&self, process: &ProcessId) -> bool {
        self.file.is_at(&process.exe()).unwrap_or(false)
    }

    /// Where the file no longer holds what was decoded: the first of these sites. A change that the file's guard has met
    /// ends the observation in good order, and is none here.
    pub fn changed<'s>(&self, sites: &'s [Site]) -> Option<&'s Site> {
        if self.file.change().is_some() {
            return None;
        }
        let file = self.file.file();
        let mut bytes = Vec::new();
        for site in sites {
            bytes.resize(site.code.len(), 0);
            let start = site.file_offset.saturating_sub(site.offset);
            let read = file.read_exact_at(&mut bytes, start);
            if read.is_err() || *bytes != *site.code {
                return Some(site);
            }
        }
        None
    }

    /// What the memory of a process that runs the file holds at these sites. `None` if it has ended, has just begun, or
    /// runs another program by now. With `maps`, also whether that memory comes from the file: it takes longer.
    ///
    /// # Errors
    /// We may not read it.
    pub fn look(&self, process: &ProcessId, sites: &[Site], maps: bool) -> Result<Option<Code>> {
        let loaded = match process::Loaded::of(process.pid) {
            Ok(Some(loaded)) => loaded,
            Err(why) if process.is_alive() => return Err(why),
            Ok(None) | Err(_) => return Ok(None),
        };
        let bias = if self.is_pie {
            loaded.code_end.wrapping_sub(self.code_end)
        } else {
            0
        };
        let mapped = if maps {
            Some(Mapped::of(process)?)
        } else {
            None
        };
        let entry = |site: &Site| site.vaddr.wrapping_sub(site.offset).wrapping_add(bias);
        let sizes = sites.iter().map(|site| site.code.len());
        let mut all = vec![0; sizes.clone().sum()];
        let mut rest = all.as_mut_slice();
        let mut pieces = Vec::with_capacity(sites.len());
        for (site, size) in sites.iter().zip(sizes) {
            let (piece, more) = std::mem::take(&mut rest)
                .split_at_mut_checked(size)
                .unwrap_or_default();
            rest = more;
            pieces.push(Piece::new(entry(site), piece));
        }
        match ProcessMemory::new(process.pid).read_many(&mut pieces) {
            Ok(()) => {}
            Err(MemoryError::Gone) => return Ok(None),
            Err(why) => return Err(refusal::explain(process.pid, &why)),
        }
        let found: Vec<At> = sites
            .iter()
            .zip(&pieces)
            .map(|(site, piece)| {
                let at = entry(site);
                if mapped.as_ref().is_some_and(|it| !it.holds(site, at)) {
                    At::Elsewhere(at)
                } else if piece.ok {
                    At::File(site.compare(self.machine, piece.buf))
                } else {
                    At::File(Found::Changed(0))
                }
            })
            .collect();
        // All this while it was the same program in the same process.
        let same = process::Loaded::of(process.pid).ok().flatten() == Some(loaded);
        Ok((same && process.is_alive() && self.is_run_by(process)).then_some(Code { found }))
    }
}

/// Where the memory of a process comes from.
struct Mapped {
    maps: MemoryMaps,
    inode: u64,
    exe: Option<PathBuf>,
}

impl Mapped {
    fn of(process: &ProcessId) -> Result<Self> {
        let cannot = || format!("cannot see where the code of process {} is", process.pid);
        let maps = maps::read(process.pid).with_context(cannot)?;
        let maps = maps::understood(&maps).with_context(cannot)?;
        Ok(Self {
            maps,
            inode: FileId::at(&process.exe()).map_or(0, |it| it.inode()[1]),
            exe: fs::read_link(process.exe()).ok(),
        })
    }

    /// Whether this address of a site's function holds its code because the file is mapped there. Which file it is, is told
    /// by the inode, or by the name where the file is on an overlay and numbers differ.
    fn holds(&self, site: &Site, at: u64) -> bool {
        let end = at.wrapping_add(site.code.len() as u64);
        let mut offset = site.file_offset.wrapping_sub(site.offset);
        let mut at = at;
        // A change of rights makes two mappings of one.
        while at < end {
            let found = self
                .maps
                .iter()
                .find(|it| it.address.0 <= at && at < it.address.1);
            let Some(map) = found.filter(|it| self.is_code_of_file(it)) else {
                return false;
            };
            if map.offset.wrapping_add(at - map.address.0) != offset {
                return false;
            }
            offset = offset.wrapping_add(map.address.1 - at);
            at = map.address.1;
        }
        true
    }

    fn is_code_of_file(&self, map: &MemoryMap) -> bool {
        let MMapPath::Path(path) = &map.pathname else {
            return false;
        };
        let is_file = map.inode == self.inode || self.exe.as_ref() == Some(path);
        is_file && map.perms.contains(MMPermissions::EXECUTE)
    }
}
