//! Where the probes of a target go, with as few kernel objects as the kernel allows.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::Object;
use libbpf_rs::ProgramMut;
use libbpf_rs::UprobeMultiOpts;
use libbpf_rs::UprobeOpts;

use crate::go::site::Site;
use crate::target;
use crate::target::Scope;
use crate::target::Target;
use crate::target::process::ProcessId;

use super::by_address::ByAddress;
use super::cookie::cookie;
use super::held::Attached;
use super::held::Held;
use super::held::Kind;
use super::kernel::Kernel;
use super::method::Method;
use super::method::confines_probes;
use super::refusal::cannot_attach;
use super::site_check::News;
use super::site_check::SiteCheck;
use super::step::Step;
use super::trace_event::TraceFs;

/// Where a target's probes go: the binary, and the processes to which the kernel confines them.
#[derive(Debug, Clone)]
pub struct Place {
    file: Arc<File>,
    /// What is attached; its guard takes it away before the file changes.
    held: Arc<Held>,
    /// The kernel keeps the probes to these; `None`: every process that runs the binary has them.
    confined_to: Option<Vec<ProcessId>>,
    method: Method,
    /// How the programs tell sites apart where they get no cookies.
    by_address: Option<ByAddress>,
    /// What the code at the sites is held against; `None` for our own.
    check: Option<SiteCheck>,
}

/// The map of cookies by address (`go_sites` in `go.bpf.h`).
pub(super) const SITES: &str = "go_sites";

/// What libbpf takes for "every process".
const EVERY_PROCESS: i32 = -1;

impl Place {
    /// Where the probes of `target` go.
    ///
    /// The kernel confines probes to a task, which an exec by any thread but the main one replaces: nothing more would
    /// be seen of a program that restarts itself so. Confinement only spares other processes the cost of a hit, so it
    /// is left out where there are none.
    ///
    /// # Errors
    /// The kernel has no cookies, and does not tell what is needed to do without. Or the file is not what was read, or
    /// somebody is writing to it.
    pub fn of(target: &Target, method: Method) -> Result<Self> {
        let confined_to = match &target.scope {
            Scope::Only(processes) if confines_probes(method) && target.runs_elsewhere() => {
                Some(processes.clone())
            }
            _ => None,
        };
        // An event of tracefs has one cookie for all its sites.
        let has_cookies = method != Method::Tracefs && Kernel::current()?.has_cookies();
        let by_address = if has_cookies {
            None
        } else {
            Some(ByAddress::of(target.program.binary.image())?)
        };
        let check = SiteCheck::of(target, confined_to.is_some());
        // The sites are known: of the file little more is needed.
        target.program.binary.image().release_all();
        Ok(Self {
            file: Arc::clone(target.program.file.file().file()),
            held: Held::guarded(&target.program.file)?,
            confined_to,
            method,
            by_address,
            check: Some(check),
        })
    }

    /// Everywhere in a file that is not a target's and that nobody changes.
    pub fn own(file: File, method: Method) -> Self {
        Self {
            file: Arc::new(file),
            held: Arc::default(),
            confined_to: None,
            method,
            by_address: None,
            check: None,
        }
    }

    /// How the programs tell sites apart where they get no cookies.
    pub(super) fn by_address(&self) -> Option<ByAddress> {
        self.by_address
    }

    /// Whether the kernel keeps the probes away from processes that are not meant.
    pub fn is_confined(&self) -> bool {
        self.confined_to.is_some()
    }

    /// The processes to which the kernel keeps the probes; none when it does not.
    pub fn confined_to(&self) -> &[ProcessId] {
        self.confined_to.as_deref().unwrap_or_default()
    }

    /// How probes are attached here.
    pub fn method(&self) -> Method {
        self.method
    }

    /// What has happened to the code under the probes; to be asked ten times a second.
    pub fn look(&self) -> News {
        self.check.as_ref().map(SiteCheck::look).unwrap_or_default()
    }

    /// What a debugger has left where probes were, to be said when they are gone.
    pub fn look_back(&self) -> Vec<String> {
        let check = self.check.as_ref();
        check.map(SiteCheck::look_back).unwrap_or_default()
    }

    /// The check of the code at the sites, for who attaches to those of them that pass.
    pub(super) fn check(&self) -> Option<&SiteCheck> {
        self.check.as_ref()
    }

    /// Fails unless there can be a probe at each of these sites: all are looked at together, since most of what that takes is
    /// the same for one and for many. They are to be [attached](Self::attach_checked) at once.
    ///
    /// # Errors
    /// There can be no probe at one of them.
    pub(super) fn require(&self, sites: &[Site]) -> Result<()> {
        match &self.check {
            Some(check) => check.require(sites),
            None => Ok(()),
        }
    }

    /// Attaches one program of the object to its sites, which have passed the check, in the file that was read. When that has
    /// changed, nothing is attached any more: [`Target::file_change`].
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn attach_checked(&self, object: &Object, step: &Step) -> Result<Vec<Attached>> {
        if self.check.as_ref().is_some_and(SiteCheck::is_over) {
            return Ok(Vec::new());
        }
        let name = self.method.program(step.program);
        let program = object
            .progs_mut()
            .find(|program| program.name().to_str() == Some(&name))
            .with_context(|| format!("the BPF object has no program {name}"))?;
        if step.sites.is_empty() {
            return Ok(Vec::new());
        }
        if self.by_address.is_some() {
            // Before the first hit.
            tell_sites(object, &step.sites)?;
        }
        self.held.must_keep(&step.sites);
        self.held.attach(|links| {
            let Some(processes) = &self.confined_to else {
                return self.attach_for(&program, None, &step.sites, links);
            };
            for process in processes {
                let result = self.attach_for(&program, Some(process), &step.sites, links);
                // A process that has ended needs no probes any more.
                if process.is_alive() {
                    result?;
                }
            }
            Ok(())
        })
    }

    /// The path by which the kernel finds the open file, whatever is called as it was by now.
    fn path(&self) -> PathBuf {
        target::descriptor_path(&self.file)
    }

    fn attach_for(
        &self,
        program: &ProgramMut<'_>,
        process: Option<&ProcessId>,
        sites: &[Site],
        attached: &mut Vec<Kind>,
    ) -> Result<()> {
        let pid = process.map_or(EVERY_PROCESS, |process| process.pid);
        match self.method {
            Method::Multi => {
                attached.push(self.attach_multi(program, pid, sites)?);
                Ok(())
            }
            Method::Perf => self.attach_perf(program, pid, sites, attached),
            Method::Tracefs => {
                let offsets: Vec<u64> = sites.iter().map(|site| site.file_offset).collect();
                let event = TraceFs::open()?.attach(program, process, &self.file, &offsets)?;
                attached.push(Kind::Event(event));
                Ok(())
            }
        }
    }

    fn attach_multi(&self, program: &ProgramMut<'_>, pid: i32, sites: &[Site]) -> Result<Kind> {
        let options = UprobeMultiOpts {
            offsets: sites.iter().map(offset).collect::<Result<_>>()?,
            cookies: sites.iter().map(cookie).collect::<Result<_>>()?,
            ..Default::default()
        };
        program
            .attach_uprobe_multi_with_opts(pid, self.path(), "", options)
            .map(Kind::Link)
            .map_err(|error| cannot_attach(error, self.method, &format!("{} sites", sites.len())))
    }

    fn attach_perf(
        &self,
        program: &ProgramMut<'_>,
        pid: i32,
        sites: &[Site],
        attached: &mut Vec<Kind>,
    ) -> Result<()> {
        for site in sites {
            // libbpf refuses a cookie where the kernel has none.
            let cookie = match self.by_address {
                Some(_) => 0,
                None => cookie(site)?,
            };
            let options = UprobeOpts {
                cookie,
                ..Default::default()
            };
            let link = program
                .attach_uprobe_with_opts(pid, self.path(), offset(site)?, options)
                .map_err(|error| cannot_attach(error, self.method, &site.to_string()))?;
            attached.push(Kind::Link(link));
        }
        Ok(())
    }
}

/// Tells the programs what the cookies of these sites would be.
fn tell_sites(object: &Object, sites: &[Site]) -> Result<()> {
    let map = object
        .maps()
        .find(|map| map.name() == SITES)
        .context("the BPF object has no map of sites")?;
    for site in sites {
        map.update(
            &site.vaddr.to_ne_bytes(),
            &cookie(site)?.to_ne_bytes(),
            MapFlags::ANY,
        )
        .context("there are too many sites")?;
    }
    Ok(())
}

fn offset(site: &Site) -> Result<usize> {
    usize::try_from(site.file_offset).context("a site lies beyond this machine's address space")
}
