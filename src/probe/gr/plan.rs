//! Where the probes of `gr` and `gr seq` go, and what their programs must know of the binary.

use std::collections::BTreeMap;

use anyhow::Context;
use anyhow::Result;

use crate::bpf::gr::types::gr_config;
use crate::go::layout::Field;
use crate::go::layout::Layout;
use crate::go::needs::OF_CREATION;
use crate::go::needs::OF_GOROUTINES;
use crate::go::site::Site;
use crate::go::site::events;
use crate::go::site::events::Event;
use crate::go::site::go_statements;
use crate::probe::step;
use crate::probe::step::Step;
use crate::target::checked::Checked;

use super::options::Options;

/// Start functions that are looked at before what was read of the file is given back.
const AT_ONCE: usize = 32;

/// Where the probes go, decided from the binary before anything is loaded.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) config: gr_config,
    pub(super) steps: Vec<Step>,
    pub(super) start_sites: BTreeMap<u64, Site>,
    /// What cannot be had from this binary, in words for the user.
    pub shortcomings: Vec<String>,
}

impl Plan {
    /// What `options` need from the binary of a target; an error when the essence cannot be had.
    pub fn of(checked: &Checked<'_>, options: &Options) -> Result<Self> {
        checked.require(&OF_GOROUTINES)?;
        checked.require(&OF_CREATION)?;
        let (runtime, layout) = (&checked.runtime, &checked.runtime_info.layout);
        let binary = runtime.binary();
        let mut shortcomings = Vec::new();
        let mut config = gr_config {
            seq: u8::from(options.seq),
            by_fn: u8::from(options.by_fn),
            by_process: u8::from(options.by_process),
            ..Default::default()
        };
        let offset = |field: Field| {
            layout.offset(field).with_context(|| {
                format!(
                    "the layout of this binary's Go version is not known (no offset of {field})"
                )
            })
        };
        config.g_goid = offset(Field::GGoid)?;
        config.g_m = offset(Field::GM)?;
        config.m_p = offset(Field::MP)?;
        config.m_curg = offset(Field::MCurg)?;
        config.p_id = offset(Field::PId)?;
        match origin(layout) {
            Some((first, has_parent)) => {
                config.g_origin = first;
                config.has_parent = u8::from(has_parent);
                config.origin_known = 1;
            }
            None => shortcomings.push(
                "start functions and creation sites are unknown: the layout of g is not known for this Go version"
                    .to_owned(),
            ),
        }
        let mut steps = Vec::new();
        let mut essential = |program, event| -> Result<()> {
            let sites = events::sites(runtime, event)
                .with_context(|| format!("cannot see this event: {event}"))?;
            steps.extend(Step::by_kind(program, sites));
            Ok(())
        };
        essential("gr_exit", Event::GoroutineExit)?;
        if !options.seq {
            essential("gr_create", Event::GoroutineCreate)?;
            essential("gr_create_coro", Event::CoroutineCreate)?;
        }
        let queue = [
            ("gr_put_global", Event::QueuePutGlobal),
            ("gr_get_global", Event::QueueGetGlobal),
            ("gr_steal", Event::QueueSteal),
        ];
        for (program, event) in queue.into_iter().filter(|_| options.queue) {
            match events::sites(runtime, event) {
                Ok(sites) => steps.extend(Step::by_kind(program, sites)),
                Err(why) => shortcomings.push(format!("not shown: {event}: {why}")),
            }
        }
        let goexit = runtime.entries("runtime.goexit");
        config.goexit = *goexit.first().context("there is no runtime.goexit")?;
        let mut start_sites = BTreeMap::new();
        let starts = go_statements::start_functions(runtime)?;
        for (number, start) in starts.functions.iter().enumerate() {
            // What was read of the file counts as memory; and functions that follow each other may lie near.
            if number.is_multiple_of(AT_ONCE) {
                binary.image().release_all();
            }
            if let Ok(site) = start.site(binary) {
                if start.name == "runtime.main" {
                    config.main_site = site.vaddr;
                }
                start_sites.insert(start.entry, site);
            }
        }
        binary.image().release_all();
        Ok(Self {
            config,
            steps,
            start_sites,
            shortcomings,
        })
    }

    /// Entries of the start functions that will be watched from the beginning.
    pub fn start_entries(&self) -> impl Iterator<Item = u64> {
        self.start_sites.keys().copied()
    }
}

impl crate::probe::Plan for Plan {
    fn sites(&self) -> Vec<Site> {
        let mut sites = step::sites(&self.steps);
        sites.extend(self.start_sites.values().cloned());
        sites
    }

    fn shortcomings(&self) -> &[String] {
        &self.shortcomings
    }
}

/// Offset of the words parentGoid, gopc, ancestors, startpc in g, and whether parentGoid is among them. They have been
/// neighbours in this order since Go 1.21 (the last three since 1.5; runtime/runtime2.go): the programs read them with
/// one access, so anything else counts as unknown.
fn origin(layout: &Layout) -> Option<(u32, bool)> {
    let created = layout.offset(Field::GGopc)?;
    let start = layout.offset(Field::GStartpc)?;
    let first = created.checked_sub(8)?;
    (start == created + 16).then_some((first, layout.offset(Field::GParentGoid) == Some(first)))
}
