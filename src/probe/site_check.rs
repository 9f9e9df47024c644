//! Holds the code at sites against what was decoded: before a probe is set, in the file and in every process that gets the
//! probe, and while probes are there. See [`crate::go::site::site_code`] for what would happen otherwise, and
//! [`crate::target::tracer`] for debuggers.

mod watch;
mod words;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::go::site::Site;
use crate::target::Scope;
use crate::target::Target;
use crate::target::code_in_memory::At;
use crate::target::code_in_memory::CodeFile;
use crate::target::process::Loaded;
use crate::target::process::ProcessId;
use crate::target::tracer;
use crate::target::tracer::Tracer;

use self::words::SHOWN;
use self::words::not_from_file;
use self::words::obstacle;

pub use self::words::describe;

/// How long a list of the processes that run a file is good for attaching.
const LIST_AGE: Duration = Duration::from_millis(50);
/// The code at the sites of one target, shared by all who attach probes to it.
#[derive(Debug, Clone)]
pub(super) struct SiteCheck(Arc<Mutex<State>>);

/// What became of the code, as it is noticed.
#[derive(Debug, Default)]
pub struct News {
    /// To be said.
    pub warnings: Vec<String>,
    /// Why the probes must go, if they must.
    pub over: Option<String>,
}

#[derive(Debug)]
struct State {
    file: CodeFile,
    /// The processes that were asked for; `None`: all.
    asked: Option<Vec<ProcessId>>,
    /// Whether the kernel keeps the probes to them.
    confined: bool,
    known: Vec<Known>,
    listed: Option<Instant>,
    /// Where probes are.
    attached: Vec<Site>,
    looked: Instant,
    /// Where the next look begins, among sites and among processes.
    next_site: usize,
    next_process: usize,
    next_traced: usize,
    warnings: Vec<String>,
    /// A debugger came: nothing is attached any more.
    over: bool,
}

/// A process that runs the file.
#[derive(Debug)]
struct Known {
    process: ProcessId,
    image: Option<Loaded>,
    tracer: Option<Tracer>,
    /// What of it is said once.
    said: Said,
    /// Whether all of its code was looked at since the probes are there.
    met: bool,
    /// Whether its code is mapped from the file.
    is_file: bool,
}

#[derive(Debug, Default)]
struct Said {
    /// That its code does not come from the file.
    moved: Option<String>,
    unreadable: bool,
    overwritten: bool,
    traced: bool,
}

/// Why there is no probe at a site.
struct Refusal {
    site: usize,
    why: String,
}

impl SiteCheck {
    /// Of a target whose probes the kernel confines to the processes that are meant, or does not.
    pub(super) fn of(target: &Target, confined: bool) -> Self {
        let asked = match &target.scope {
            Scope::Everyone => None,
            Scope::Only(processes) => Some(processes.clone()),
        };
        Self(Arc::new(Mutex::new(State {
            file: CodeFile::of(target),
            asked,
            confined,
            known: Vec::new(),
            listed: None,
            attached: Vec::new(),
            looked: Instant::now(),
            next_site: 0,
            next_process: 0,
            next_traced: 0,
            warnings: Vec::new(),
            over: false,
        })))
    }

    fn with<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether nothing may be attached any more.
    pub(super) fn is_over(&self) -> bool {
        self.with(|state| state.over)
    }

    /// Fails unless there can be a probe at each of these sites; they count as attached from now on.
    pub(super) fn require(&self, sites: &[Site]) -> Result<()> {
        self.with(|state| {
            if let Some(refusal) = state.refused(sites)?.into_iter().next() {
                bail!(
                    "{}: a probe there could break the process, and this cannot be observed without it",
                    refusal.why
                );
            }
            state.attached.extend_from_slice(sites);
            Ok(())
        })
    }

    /// At which of these sites there can be no probe; why is said by [`look`](Self::look). The others count as attached
    /// from now on.
    pub(super) fn left_out(&self, sites: &[Site]) -> Result<Vec<usize>> {
        self.with(|state| {
            let refused = state.refused(sites)?;
            let out: Vec<usize> = refused.iter().map(|it| it.site).collect();
            state.tell_left_out(&refused);
            let attached = sites.iter().enumerate();
            let attached = attached.filter(|(index, _)| !out.contains(index));
            let attached: Vec<Site> = attached.map(|(_, site)| site.clone()).collect();
            for site in attached {
                if !state.attached.iter().any(|it| it.vaddr == site.vaddr) {
                    state.attached.push(site);
                }
            }
            Ok(out)
        })
    }

    /// These sites have no probes any more.
    pub(super) fn detached(&self, vaddrs: &[u64]) {
        self.with(|state| state.attached.retain(|it| !vaddrs.contains(&it.vaddr)));
    }

    /// What has happened since the last time: to be asked ten times a second.
    pub(super) fn look(&self) -> News {
        self.with(State::look)
    }

    /// What a debugger has left at the sites, now that the probes are gone.
    pub(super) fn look_back(&self) -> Vec<String> {
        self.with(State::look_back)
    }
}

impl State {
    /// Brings the list of processes up to date that have the probes, or will have them: with `all`, also those that were
    /// not asked for and from which the kernel does not keep the probes.
    fn list(&mut self, all: bool) {
        self.listed = Some(Instant::now());
        let running = match &self.asked {
            Some(asked) if self.confined || !all => asked
                .iter()
                .filter(|it| self.file.is_run_by(it))
                .cloned()
                .collect(),
            _ => self.file.processes(),
        };
        self.known.retain(|it| running.contains(&it.process));
        for process in running {
            let image = process.loaded().ok().flatten();
            match self.known.iter_mut().find(|it| it.process == process) {
                // It has become another program, or the same anew, by exec. Then it may have lost the probes that the
                // kernel confines to it, which is said elsewhere.
                Some(known) if image.is_some() && known.image != image => {
                    known.image = image;
                    known.met = self.confined && known.met;
                    known.is_file = !known.met;
                }
                Some(_) => {}
                None => self.known.push(Known {
                    process,
                    image,
                    tracer: None,
                    said: Said::default(),
                    met: false,
                    is_file: true,
                }),
            }
        }
    }

    fn is_asked_for(&self, process: &ProcessId) -> bool {
        self.asked
            .as_ref()
            .is_none_or(|asked| asked.contains(process))
    }

    /// At which of these sites there can be no probe, ascending.
    fn refused(&mut self, sites: &[Site]) -> Result<Vec<Refusal>> {
        if let Some(site) = self.file.changed(sites) {
            bail!(
                "the file has changed since it was read, at {}: start grtmon again",
                site.function
            );
        }
        if self.listed.is_none_or(|at| at.elapsed() > LIST_AGE) {
            self.list(true);
        }
        let mut refused = Vec::new();
        let mut moved = None;
        let mut known = std::mem::take(&mut self.known);
        for one in &mut known {
            refused.extend(self.refused_by(one, sites)?);
            if !one.is_file && self.is_asked_for(&one.process) {
                moved = one.said.moved.clone();
            }
        }
        let seen = |one: &Known| self.is_asked_for(&one.process) && one.is_file;
        let blind = self.asked.is_some() && !known.iter().any(seen);
        self.known = known;
        if let Some(why) = moved.filter(|_| blind) {
            bail!(why);
        }
        refused.sort_by_key(|it| it.site);
        refused.dedup_by_key(|it| it.site);
        Ok(refused)
    }

    /// At which of these sites one process does not allow a probe.
    fn refused_by(&mut self, one: &mut Known, sites: &[Site]) -> Result<Vec<Refusal>> {
        let pid = one.process.pid;
        one.tracer = Tracer::of(pid).filter(Tracer::is_debugger);
        if let Some(tracer) = &one.tracer {
            // It takes its breakpoints out while it holds a process: they cannot be seen.
            if tracer::is_held(pid) {
                bail!(
                    "process {pid} is held by {tracer}: a breakpoint and a probe at one place would break it; let it run, or end the debugger"
                );
            }
            if !std::mem::replace(&mut one.said.traced, true) {
                self.warnings.push(format!(
                    "process {pid} is traced by {tracer}: a breakpoint that it sets at a probe from now on would break it"
                ));
            }
        }
        let code = match self.file.look(&one.process, sites, true) {
            Ok(Some(code)) => code,
            Ok(None) => return Ok(Vec::new()),
            Err(why) => {
                let said = std::mem::replace(&mut one.said.unreadable, true);
                if !said && self.is_asked_for(&one.process) {
                    self.warnings.push(format!(
                        "the code of process {pid} cannot be compared with its file: {why:#}"
                    ));
                }
                return Ok(Vec::new());
            }
        };
        let mut refused = Vec::new();
        for (index, (site, at)) in sites.iter().zip(code.found).enumerate() {
            let why = match at {
                At::Elsewhere(address) => {
                    self.tell_moved(one, address);
                    continue;
                }
                At::File(found) => obstacle(pid, site, found, one.tracer.as_ref()),
            };
            refused.extend(why.map(|why| Refusal { site: index, why }));
        }
        Ok(refused)
    }

    /// The code of a process does not come from the file, first at this address: said once.
    fn tell_moved(&mut self, one: &mut Known, address: u64) {
        one.is_file = false;
        if one.said.moved.is_none() {
            let why = not_from_file(one.process.pid, address);
            if self.is_asked_for(&one.process) {
                self.warnings.push(why.clone());
            }
            one.said.moved = Some(why);
        }
    }

    fn tell_left_out(&mut self, refused: &[Refusal]) {
        for refusal in refused.iter().take(SHOWN) {
            self.warnings.push(format!(
                "{}; it is left alone, so running times of its goroutines are unknown",
                refusal.why
            ));
        }
        if refused.len() > SHOWN {
            self.warnings.push(format!(
                "so are {} more start functions",
                refused.len() - SHOWN
            ));
        }
    }
}
