//! Probes on start functions are added and taken away while one observes.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::go::Binary;
use crate::go::site::Site;
use crate::go::site::go_statements::StartFunction;
use crate::probe::counters;
use crate::probe::detach::detach;
use crate::probe::held::Attached;
use crate::probe::method::Method;
use crate::probe::step::Step;
use crate::target::Target;

use super::GrProbes;
use super::starts::START;

// Why a start function is not watched.
const CHANGED: &str = "has other code in the process than in its file, or a breakpoint";
const NO_PLACE: &str = "has no place for a probe";
const TOO_HOT: &str = "was called directly too often to be watched";

/// Direct calls of a start function within one look (100 ms) that make it too dear to watch: 10,000 a second cost the
/// target about 1 % of a CPU.
const HOT: u64 = 1_000;

/// Links to start functions that were learned one after the other.
const MAX_START_LINKS: usize = 16;

impl GrProbes {
    /// Watches these start functions too, but for those where there can be no probe.
    pub(super) fn watch_starts(&mut self, mut sites: BTreeMap<u64, Site>) -> Result<()> {
        if let Some(check) = self.place.check() {
            let (entries, all): (Vec<u64>, Vec<Site>) = sites
                .iter()
                .map(|(entry, site)| (*entry, site.clone()))
                .unzip();
            for index in check.left_out(&all)? {
                if let Some(entry) = entries.get(index) {
                    sites.remove(entry);
                    self.starts.given_up.insert(*entry, CHANGED);
                }
            }
        }
        let links = self.attach_starts(&sites)?;
        self.starts.links.extend(links);
        self.starts.sites.extend(sites);
        Ok(())
    }

    fn attach_starts(&self, sites: &BTreeMap<u64, Site>) -> Result<Vec<Attached>> {
        let step = Step {
            program: START,
            sites: sites.values().cloned().collect(),
        };
        self.place.attach_checked(self.session.object(), &step)
    }

    /// Attaches the start functions anew, each once. The new links are there before the old ones go: no start is missed,
    /// and one seen twice counts once.
    fn renew_starts(&mut self) -> Result<()> {
        let links = self.attach_starts(&self.starts.sites)?;
        detach(std::mem::replace(&mut self.starts.links, links));
        Ok(())
    }

    /// Watches these start functions too, from their next start on. Returns how many are new.
    pub fn learn(
        &mut self,
        target: &Target,
        entries: impl IntoIterator<Item = u64>,
    ) -> Result<usize> {
        let mut learned = BTreeMap::new();
        for entry in entries {
            if self.starts.sites.contains_key(&entry) || self.starts.given_up.contains_key(&entry) {
                continue;
            }
            match site_of(&target.program.binary, entry) {
                Some(site) => {
                    learned.insert(entry, site);
                }
                None => {
                    self.starts.given_up.insert(entry, NO_PLACE);
                }
            }
        }
        let count = learned.len();
        if count > 0 {
            target.program.binary.image().release_all();
            self.watch_starts(learned)?;
        }
        // Taking links away takes longer than attaching: it is worth it when there are many.
        if self.place.method() == Method::Multi && self.starts.links.len() > MAX_START_LINKS {
            self.renew_starts()?;
        }
        Ok(count)
    }

    /// Why this start function is not watched, as what is said of it, if it has been given up.
    pub fn given_up(&self, entry: u64) -> Option<&'static str> {
        self.starts.given_up.get(&entry).copied()
    }

    /// Stops watching start functions that are called directly more often than 10,000 times a second, because
    /// each such call costs the target a trap for nothing. Returns their entries: the running times of their goroutines
    /// are unknown from now on.
    pub fn drop_hot(&mut self) -> Result<Vec<u64>> {
        let direct: BTreeMap<u64, u64> = counters::pairs(&self.session.skel.maps.gr_direct)?
            .into_iter()
            .collect();
        let before = std::mem::replace(&mut self.starts.direct, direct);
        let calls = |site: &Site| {
            let count = |direct: &BTreeMap<u64, u64>| direct.get(&site.vaddr).copied().unwrap_or(0);
            count(&self.starts.direct).saturating_sub(count(&before))
        };
        let is_hot = |(entry, site): (&u64, &Site)| (calls(site) > HOT).then_some(*entry);
        let hot: Vec<u64> = self.starts.sites.iter().filter_map(is_hot).collect();
        let mut gone = Vec::new();
        for entry in &hot {
            gone.extend(self.starts.sites.remove(entry).map(|site| site.vaddr));
            self.starts.given_up.insert(*entry, TOO_HOT);
        }
        if !hot.is_empty() {
            if let Some(check) = self.place.check() {
                check.detached(&gone);
            }
            self.renew_starts()?;
        }
        Ok(hot)
    }

    /// Whether the first execution of goroutines with this start function is being watched.
    pub fn watches(&self, entry: u64) -> bool {
        self.starts.sites.contains_key(&entry)
    }
}

/// Where the start function with this entry can be watched.
fn site_of(binary: &Binary, entry: u64) -> Option<Site> {
    let function = binary.functions().at(entry)?;
    let name = function.name.to_owned();
    // An address inside a function is not a start function: whatever it was read from is not what we think.
    (function.entry == entry)
        .then_some(StartFunction { entry, name })?
        .site(binary)
        .ok()
}
