//! Puts programs on sites, with as few kernel objects as the kernel allows.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use libbpf_rs::ErrorKind;
use libbpf_rs::Link;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;
use libbpf_rs::Object;
use libbpf_rs::OpenObject;
use libbpf_rs::ProgramMut;
use libbpf_rs::UprobeMultiOpts;
use libbpf_rs::UprobeOpts;

use crate::go::sites::Site;
use crate::go::sites::SiteKind;
use crate::target::Scope;
use crate::target::Target;
use crate::target::process::ProcessId;

use super::kernel;

/// Set in a cookie when the site is the branch of a stack check (`GO_COOKIE_STACK_CHECK` in `go.bpf.h`).
const STACK_CHECK: u64 = 1 << 63;
/// `GO_COOKIE_OFFSET_SHIFT` and `GO_COOKIE_OFFSET_MASK` there.
const OFFSET_SHIFT: u32 = 48;
const OFFSET_MASK: u64 = 0x7fff;

/// How sites are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// One link for many sites: `uprobe.multi`, Linux 6.6 and later.
    Multi,
    /// One perf event for each site: slow to detach, needs CAP_SYS_ADMIN.
    Perf,
}

impl Method {
    /// The program to use for `name`: each is in the object twice (`GO_PROBE` in `go.bpf.h`).
    fn program(self, name: &str) -> String {
        match self {
            Self::Multi => name.to_owned(),
            Self::Perf => format!("{name}_perf"),
        }
    }
}

/// Which sites one program is for.
#[derive(Debug, Clone)]
pub struct Step {
    /// Name of the program in the object.
    pub program: &'static str,
    /// Where it goes.
    pub sites: Vec<Site>,
}

/// All sites of these steps.
pub(super) fn sites(steps: &[Step]) -> Vec<Site> {
    steps.iter().flat_map(|step| &step.sites).cloned().collect()
}

/// Has only the programs of `steps` loaded.
pub fn select(object: &mut OpenObject, steps: &[&'static str], method: Method) {
    for mut program in object.progs_mut() {
        let wanted = steps
            .iter()
            .any(|step| program.name().to_str() == Some(&method.program(step)));
        program.set_autoload(wanted);
    }
}

/// Where a target's probes go: the binary, and the processes to which the kernel confines them.
#[derive(Debug, Clone)]
pub struct Place {
    path: PathBuf,
    /// The kernel keeps the probes to these; `None`: every process that runs the binary has them.
    confined_to: Option<Vec<ProcessId>>,
    method: Method,
}

/// What libbpf takes for "every process".
const EVERY_PROCESS: i32 = -1;

impl Place {
    /// Where the probes of `target` go.
    ///
    /// The kernel confines probes to a task, which an exec by any thread but the main one replaces: nothing more would
    /// be seen of a program that restarts itself so. Confinement only spares other processes the cost of a hit, so it
    /// is left out where there are none.
    pub fn of(target: &Target, method: Method) -> Self {
        let confined_to = match &target.scope {
            Scope::Only(processes)
                if kernel::confines_probes(method) && target.runs_elsewhere() =>
            {
                Some(processes.clone())
            }
            _ => None,
        };
        Self {
            path: target.path.clone(),
            confined_to,
            method,
        }
    }

    /// Everywhere in a file that is not a target's.
    pub fn own(path: &Path, method: Method) -> Self {
        Self {
            path: path.to_owned(),
            confined_to: None,
            method,
        }
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

    /// Attaches one program of the object to its sites. The links detach when dropped.
    pub fn attach(&self, object: &Object, step: &Step) -> Result<Vec<Link>> {
        let name = self.method.program(step.program);
        let program = object
            .progs_mut()
            .find(|program| program.name().to_str() == Some(&name))
            .with_context(|| format!("the BPF object has no program {name}"))?;
        let mut links = Vec::new();
        if step.sites.is_empty() {
            return Ok(links);
        }
        let Some(processes) = &self.confined_to else {
            self.attach_for(&program, EVERY_PROCESS, &step.sites, &mut links)?;
            return Ok(links);
        };
        for process in processes {
            let attached = self.attach_for(&program, process.pid, &step.sites, &mut links);
            // A process that has ended needs no probes any more.
            if process.is_alive() {
                attached?;
            }
        }
        Ok(links)
    }

    fn attach_for(
        &self,
        program: &ProgramMut<'_>,
        pid: i32,
        sites: &[Site],
        links: &mut Vec<Link>,
    ) -> Result<()> {
        match self.method {
            Method::Multi => {
                links.push(self.attach_multi(program, pid, sites)?);
                Ok(())
            }
            Method::Perf => self.attach_perf(program, pid, sites, links),
        }
    }

    fn attach_multi(&self, program: &ProgramMut<'_>, pid: i32, sites: &[Site]) -> Result<Link> {
        let options = UprobeMultiOpts {
            offsets: sites.iter().map(offset).collect::<Result<_>>()?,
            cookies: sites.iter().map(cookie).collect::<Result<_>>()?,
            ..Default::default()
        };
        program
            .attach_uprobe_multi_with_opts(pid, &self.path, "", options)
            .map_err(|error| cannot_attach(error, &format!("{} sites", sites.len())))
    }

    fn attach_perf(
        &self,
        program: &ProgramMut<'_>,
        pid: i32,
        sites: &[Site],
        links: &mut Vec<Link>,
    ) -> Result<()> {
        for site in sites {
            let options = UprobeOpts {
                cookie: cookie(site)?,
                ..Default::default()
            };
            let link = program
                .attach_uprobe_with_opts(pid, &self.path, offset(site)?, options)
                .map_err(|error| cannot_attach(error, &site.to_string()))?;
            links.push(link);
        }
        Ok(())
    }
}

fn offset(site: &Site) -> Result<usize> {
    usize::try_from(site.file_offset).context("a site lies beyond this machine's address space")
}

/// The address, the distance from the function's entry, and the kind: see `GO_COOKIE_…` in `go.bpf.h`.
fn cookie(site: &Site) -> Result<u64> {
    let fits = site.vaddr < 1 << OFFSET_SHIFT;
    if !fits {
        bail!("{site} lies beyond the address space of user programs");
    }
    // Only the programs on start functions look at it, whose sites are all near the entry.
    let offset = site.offset.min(OFFSET_MASK);
    let kind = match site.kind {
        SiteKind::StackCheckBranch => STACK_CHECK,
        _ => 0,
    };
    Ok(site.vaddr | offset << OFFSET_SHIFT | kind)
}

/// The kernel refused because it does not know `uprobe.multi` (Linux before 6.6 answers EINVAL).
#[derive(Debug)]
pub struct NoMulti;

impl std::fmt::Display for NoMulti {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("this kernel has no uprobe.multi")
    }
}

impl std::error::Error for NoMulti {}

fn cannot_attach(error: libbpf_rs::Error, what: &str) -> anyhow::Error {
    let kind = error.kind();
    let error = anyhow::Error::new(error);
    match kind {
        ErrorKind::InvalidInput => error.context(NoMulti),
        ErrorKind::PermissionDenied => error.context(kernel::missing_privileges()),
        _ => error.context(format!("the kernel refused the probes ({what})")),
    }
}

/// Which processes the programs themselves leave out, because the kernel does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filter {
    /// `go_only`: all but this one.
    pub(super) only: u32,
    /// `go_listed_only`: all that are not listed.
    pub(super) listed_only: u8,
}

impl Filter {
    pub(super) fn of(place: &Place, scope: &Scope) -> Self {
        let (only, listed) = match scope {
            Scope::Only(processes) if !place.is_confined() => match processes.as_slice() {
                [one] => (one.pid.cast_unsigned(), false),
                _ => (0, true),
            },
            _ => (0, false),
        };
        Self {
            only,
            listed_only: u8::from(listed),
        }
    }
}

/// Tells the programs which processes to look at, for when the kernel cannot confine the probes to them.
pub fn list(listed: &impl MapCore, scope: &Scope) -> Result<()> {
    let Scope::Only(processes) = scope else {
        return Ok(());
    };
    for process in processes {
        listed
            .update(&process.pid.to_ne_bytes(), &[1], MapFlags::ANY)
            .context("cannot list a process")?;
    }
    Ok(())
}

/// Explains a refusal to load.
pub fn cannot_load(error: libbpf_rs::Error) -> anyhow::Error {
    let refused = error.kind() == ErrorKind::PermissionDenied;
    let error = anyhow::Error::new(error);
    if refused {
        return error.context(kernel::missing_privileges());
    }
    error.context("the kernel refused to load the probes (grtmon doctor says what it offers)")
}
