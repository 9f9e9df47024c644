//! The code under the probes while they are there, and debuggers that come.

use std::time::Duration;
use std::time::Instant;

use crate::go::site::Site;
use crate::go::site::site_code::Found;
use crate::target::code_in_memory::At;
use crate::target::tracer;
use crate::target::tracer::Tracer;

use super::Known;
use super::News;
use super::State;

/// How often the code under the probes is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Sites looked at each time in each process, and processes each time: that takes a fraction of a millisecond each.
const SITES: usize = 256;
const PROCESSES: usize = 32;
/// Processes whose tracer is looked for each time.
const TRACED: usize = 16;

impl State {
    pub(super) fn look(&mut self) -> News {
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

    pub(super) fn look_back(&mut self) -> Vec<String> {
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

    #[test]
    fn all_sites_get_their_turn() {
        let all: Vec<Site> = (0..5).map(Site::sample).collect();
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
}
