//! Holds the code at sites against what was decoded: before a probe is set, in the file and in every process that gets the
//! probe, and while probes are there. See [`crate::go::site_code`] for what would happen otherwise, and
//! [`crate::target::tracer`] for debuggers.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::go::site_code::Found;
use crate::go::sites::Site;
use crate::target::Scope;
use crate::target::Target;
use crate::target::code_in_memory::At;
use crate::target::code_in_memory::CodeFile;
use crate::target::process::Loaded;
use crate::target::process::ProcessId;
use crate::target::tracer;
use crate::target::tracer::Tracer;

/// How long a list of the processes that run a file is good for attaching.
const LIST_AGE: Duration = Duration::from_millis(50);
/// How often the code under the probes is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Sites looked at each time in each process, and processes each time: that takes a fraction of a millisecond each.
const SITES: usize = 256;
const PROCESSES: usize = 32;
/// Processes whose tracer is looked for each time.
const TRACED: usize = 16;
/// Start functions named that are left alone.
const SHOWN: usize = 5;

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
            let image = process.loaded();
            match self.known.iter_mut().find(|it| it.process == process) {
                // It has become another program, or the same anew, by exec. Then it may have lost the probes that the
                // kernel confines to it, which is said elsewhere.
                Some(known) if known.image != image => {
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
        if let Some(site) = self.file.changed(sites)? {
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

    fn look(&mut self) -> News {
        let mut over = None;
        if !self.over {
            over = self.debugger();
            if over.is_none() && self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                self.list(false);
                over = self.look_at_code();
            }
            self.over = over.is_some();
        }
        News {
            warnings: std::mem::take(&mut self.warnings),
            over,
        }
    }

    /// Whether a debugger has come to one of the processes, or holds it again: what to say then.
    fn debugger(&mut self) -> Option<String> {
        let count = self.known.len();
        let some = (0..count.min(TRACED)).map(|step| (self.next_traced + step) % count);
        let some: Vec<usize> = some.collect();
        self.next_traced = some.last().map_or(0, |last| last + 1);
        some.into_iter().find_map(|index| {
            let one = self.known.get_mut(index)?;
            let pid = one.process.pid;
            let tracer = Tracer::of(pid).filter(Tracer::is_debugger);
            let before = std::mem::replace(&mut one.tracer, tracer);
            let tracer = one.tracer.as_ref()?;
            let why = if before.as_ref() != Some(tracer) {
                format!("{tracer} traces process {pid} now")
            } else if tracer::is_held(pid) {
                format!("{tracer} holds process {pid}")
            } else {
                return None;
            };
            Some(format!(
                "{why}: the probes are taken away, since a breakpoint at the place of one would break the process"
            ))
        })
    }

    /// Looks at the code under some of the probes in some of the processes.
    fn look_at_code(&mut self) -> Option<String> {
        let mut known = std::mem::take(&mut self.known);
        let count = known.len();
        let mut over = None;
        let sites = window(&self.attached, &mut self.next_site, SITES);
        for step in 0..count.min(PROCESSES) {
            let index = (self.next_process + step) % count;
            let Some(one) = known.get_mut(index).filter(|it| it.is_file) else {
                continue;
            };
            let looked = if one.met {
                self.file.look(&one.process, &sites, false)
            } else {
                self.file.look(&one.process, &self.attached, true)
            };
            // That it may not be read has been said.
            let Ok(Some(code)) = looked else {
                continue;
            };
            let sites = if one.met { &sites } else { &self.attached };
            let found: Vec<(Site, At)> = sites.iter().cloned().zip(code.found).collect();
            one.met = true;
            for (site, at) in found {
                match at {
                    At::File(Found::Probe) => {}
                    At::Elsewhere(address) => self.tell_moved(one, address),
                    At::File(found) => over = over.or(self.tell_overwritten(one, &site, found)),
                }
            }
        }
        self.next_process = (self.next_process + PROCESSES) % count.max(1);
        self.known = known;
        over
    }

    /// There is no probe any more where one was set: said once for each process. Returns why all must go, if a debugger
    /// is about.
    fn tell_overwritten(&mut self, one: &mut Known, site: &Site, found: Found) -> Option<String> {
        if std::mem::replace(&mut one.said.overwritten, true) {
            return None;
        }
        let (pid, function) = (one.process.pid, &site.function);
        let what = match found {
            Found::Changed(_) => "the code there is not the file's any more",
            _ => "the code there was written anew",
        };
        let gone = format!("the probe at {function} is gone in process {pid}: {what}");
        if let Some(tracer) = Tracer::of(pid).filter(Tracer::is_debugger) {
            one.tracer = Some(tracer.clone());
            return Some(format!(
                "{gone}, by {tracer} it seems: the probes are taken away"
            ));
        }
        self.warnings
            .push(format!("{gone}; what it would have seen is missed"));
        None
    }

    fn look_back(&mut self) -> Vec<String> {
        self.over = true;
        let mut left = std::mem::take(&mut self.warnings);
        for one in &self.known {
            let Some(tracer) = &one.tracer else {
                continue;
            };
            let Ok(Some(code)) = self.file.look(&one.process, &self.attached, false) else {
                continue;
            };
            let sites = self.attached.iter().zip(code.found);
            let left_there =
                |(_, at): &(&Site, At)| matches!(at, At::File(Found::Probe | Found::Breakpoint));
            left.extend(sites.filter(left_there).map(|(site, _)| {
                format!(
                    "a breakpoint is left at {:x} ({}) in process {}, by {tracer} it seems: without a debugger the process dies of SIGTRAP there",
                    site.vaddr, site.function, one.process.pid
                )
            }));
        }
        left
    }
}

/// What is to be said of the code of one process at these sites, and whether it is as it should be.
pub fn describe(target: &Target, process: &ProcessId, sites: &[Site]) -> (Vec<String>, bool) {
    let pid = process.pid;
    let tracer = Tracer::of(pid).filter(Tracer::is_debugger);
    let code = match CodeFile::of(target).look(process, sites, true) {
        Ok(Some(code)) => code,
        Ok(None) => {
            return (
                vec![format!("process {pid} is ending, or has just begun")],
                true,
            );
        }
        Err(why) => return (vec![format!("not compared: {why:#}")], true),
    };
    let mut lines = Vec::new();
    let mut others = 0;
    let mut elsewhere = None;
    for (site, at) in sites.iter().zip(code.found) {
        match at {
            At::Elsewhere(address) => elsewhere = elsewhere.or(Some(not_from_file(pid, address))),
            At::File(found) => {
                others += usize::from(found == Found::Probe && tracer.is_none());
                lines.extend(obstacle(pid, site, found, tracer.as_ref()));
            }
        }
    }
    if let Some(why) = elsewhere {
        lines.insert(0, why);
    }
    let is_fine = lines.is_empty();
    let count = sites.len();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and at {more} more"));
    }
    if is_fine {
        let probes = match others {
            0 => String::new(),
            _ => format!(", with other probes at {others} of them"),
        };
        lines.push(format!(
            "process {pid}: as in the file at all {count} sites{probes}"
        ));
    }
    if let Some(tracer) = tracer {
        lines.push(format!("process {pid} is traced by {tracer}"));
    }
    (lines, is_fine)
}

fn not_from_file(pid: i32, address: u64) -> String {
    format!(
        "the code of process {pid} at {address:x} does not come from its file: probes cannot be seen"
    )
}

/// Why there can be no probe at a site of a process, given what memory holds there.
pub fn obstacle(pid: i32, site: &Site, found: Found, debugger: Option<&Tracer>) -> Option<String> {
    let function = &site.function;
    match (found, debugger) {
        (Found::AsDecoded, _) | (Found::Probe, None) => None,
        (Found::Probe | Found::Breakpoint, Some(tracer)) => Some(format!(
            "process {pid} has a breakpoint at {function}, of {tracer} it seems"
        )),
        (Found::Breakpoint, None) => Some(format!("process {pid} has a breakpoint at {function}")),
        (Found::Changed(_), _) => Some(format!(
            "the code of process {pid} at {function} is not the file's"
        )),
    }
}

/// So many of `all` from `next` on, which moves on.
fn window(all: &[Site], next: &mut usize, most: usize) -> Vec<Site> {
    let count = all.len();
    let first = if *next < count { *next } else { 0 };
    *next = first + most;
    let turned = all.iter().cycle().skip(first);
    turned.take(most.min(count)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::sites::Cost;
    use crate::go::sites::SiteKind;

    fn site(vaddr: u64) -> Site {
        Site {
            function: "main.f".to_owned(),
            offset: 0,
            vaddr,
            file_offset: vaddr,
            kind: SiteKind::Entry,
            cost: Cost::OneTrap,
            code: Box::default(),
        }
    }

    #[test]
    fn all_sites_get_their_turn() {
        let all: Vec<Site> = (0..5).map(site).collect();
        let mut next = 0;
        let mut turn = || -> Vec<u64> {
            let window = window(&all, &mut next, 2);
            window.iter().map(|it| it.vaddr).collect()
        };
        assert_eq!(
            [turn(), turn(), turn(), turn()].concat(),
            [0, 1, 2, 3, 4, 0, 0, 1]
        );
        assert_eq!(window(&all, &mut 0, 9).len(), 5);
        assert!(window(&[], &mut 3, 2).is_empty());
    }

    #[test]
    fn only_what_is_no_probe_of_anybody_stands_in_the_way() {
        let said = |found| obstacle(7, &site(1), found, None);
        assert_eq!(said(Found::AsDecoded), None);
        assert_eq!(said(Found::Probe), None);
        let changed = said(Found::Changed(0)).unwrap();
        assert_eq!(changed, "the code of process 7 at main.f is not the file's");
        assert!(
            said(Found::Breakpoint)
                .unwrap()
                .contains("breakpoint at main.f")
        );
    }
}
