//! One process that is looked at: all that is read of it.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::anyhow;

use crate::go::process::goroutines::GoroutineReader;
use crate::model::census::Counter;
use crate::model::dump::Goroutine;
use crate::model::foreign;
use crate::model::groups::Grouper;
use crate::model::package_path::unescaped;
use crate::model::top::Point;
use crate::model::top::Who;
use crate::observe::cpu_rate::CpuRate;
use crate::observe::reader;
use crate::observe::reader::unreadable;
use crate::observe::sampler::Reading;
use crate::observe::sampler::Sampler;
use crate::render;
use crate::target::Target;
use crate::target::clock;
use crate::target::process::ProcessId;
use crate::tui::choices::Chosen;
use crate::tui::choices::End;
use crate::tui::choices::Page;
use crate::tui::process::ProcessScreen;
use crate::tui::state::State;

/// Listing goroutines takes at most one part in so many of the time of one processor: with very many of them they are
/// listed less often than the rest is read.
const SHARE: u32 = 66;

/// A process and its readers.
pub(super) struct Watched<'t> {
    target: &'t Target,
    process: ProcessId,
    sampler: Sampler,
    reader: GoroutineReader<'t>,
    counter: Counter,
    cpu: CpuRate,
    opened: Instant,
    /// Nothing has been read yet.
    is_new: bool,
    /// When goroutines may be listed again.
    list_at: Instant,
}

impl<'t> Watched<'t> {
    /// Opens the process of a target.
    ///
    /// # Errors
    /// It has ended, or may not be read, or its goroutines cannot be.
    pub(super) fn open(target: &'t Target) -> Result<Self> {
        let live = reader::open(target)?;
        let reader = GoroutineReader::new(&target.program.binary, &live.view());
        let reader = reader.map_err(|why| unreadable(&live, why))?;
        Ok(Self {
            target,
            process: live.process.clone(),
            sampler: Sampler::new(live, None)?,
            reader,
            counter: Counter::default(),
            cpu: CpuRate::default(),
            opened: Instant::now(),
            is_new: true,
            list_at: Instant::now(),
        })
    }

    /// Which process it is.
    pub(super) fn who(&self) -> Who {
        let copy = match self.note() {
            Some(_) => " (fork)",
            None => "",
        };
        Who {
            pid: self.process.pid,
            name: format!("{}{copy}", self.target.name),
            go_version: self
                .target
                .program
                .binary
                .version()
                .map(ToString::to_string),
        }
    }

    /// What there is to say of the process before it is looked at.
    pub(super) fn note(&self) -> Option<String> {
        self.sampler.live().copy_note()
    }

    /// Lists the goroutines at the next refresh, however dear that was a moment ago.
    pub(super) fn hurry(&mut self) {
        self.list_at = Instant::now();
    }

    /// Reads everything once more.
    pub(super) fn refresh(&mut self, state: &mut State) {
        let interval = state.interval;
        let Some(view) = &mut state.process else {
            return;
        };
        let now = self.opened.elapsed();
        let at = now.as_secs_f64();
        if view.end.is_some() {
            view.pass(at);
            return;
        }
        let point = match self.sampler.read() {
            Ok(Reading::Interval(interval)) => {
                let point = match std::mem::take(&mut self.is_new) {
                    // What happened until now is no matter of one interval.
                    true => Point::first(&interval.now),
                    false => Point::of(&interval),
                };
                Some(Point {
                    cpu: self.cpu.look(&self.process),
                    ..point
                })
            }
            Ok(Reading::Moved) => None,
            Ok(Reading::Ended) => return view.ended(at, End::Gone),
            Ok(Reading::Replaced) => return view.ended(at, End::Replaced),
            Err(_) if !self.process.is_alive() => return view.ended(at, End::Gone),
            Err(why) => return view.ended(at, End::Unreadable(format!("{why:#}"))),
        };
        let now_ns = self.sampler.live().now_ns().ok();
        let began = self.sampler.began();
        let uptime = now_ns.map(|now| Duration::from_nanos(now.saturating_sub(began)));
        view.push(slot(now, interval), at, point, uptime);
        self.count(view, at, now_ns);
    }

    /// Lists the goroutines, unless that was dear a moment ago.
    fn count(&mut self, view: &mut ProcessScreen, at: f64, now_ns: Option<u64>) {
        if Instant::now() < self.list_at {
            return;
        }
        let before = clock::thread_cpu();
        // What moved is older by an interval the next time, and said to be.
        if let Ok(dump) = self.reader.list(&self.sampler.live().memory) {
            view.count(at, now_ns, self.counter.count(&dump));
        }
        let took = clock::thread_cpu().saturating_sub(before);
        self.list_at = Instant::now() + took * SHARE;
    }

    /// The stacks of these goroutines, as text.
    ///
    /// # Errors
    /// The process cannot be read any more.
    pub(super) fn stacks(&mut self, chosen: &Chosen) -> Result<Page> {
        let live = self.sampler.live();
        let dump = self.reader.read(&live.memory);
        let mut dump = dump.map_err(|why| match self.process.is_alive() {
            true => unreadable(live, why),
            false => anyhow!("process {} has ended", self.process.pid),
        })?;
        dump.at_ns = live.now_ns().ok();
        let wanted = |goroutine: &Goroutine| {
            !goroutine.system
                && match chosen {
                    Chosen::Origin(origin) => origin.is_of(goroutine),
                    Chosen::Function(name) => {
                        let start = goroutine.start.as_deref();
                        start.map(|place| unescaped(&place.function)).as_deref() == name.as_deref()
                    }
                }
        };
        let groups = Grouper::new(false).groups(&dump, wanted);
        let mut text = Vec::new();
        for group in &groups {
            render::dump::group(&mut text, group, dump.at_ns, false);
        }
        let count: usize = groups.iter().map(|group| group.goroutines.len()).sum();
        let start = match chosen {
            Chosen::Origin(origin) => &origin.start,
            Chosen::Function(start) => start,
        };
        let name = foreign::shown(start.as_deref().unwrap_or("?"));
        let mut lines: Vec<String> = String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect();
        if lines.is_empty() {
            lines.push("there are none of them any more".to_owned());
        }
        Ok(Page {
            title: format!(
                "{name}: {} on {}",
                number(count, "goroutine"),
                number(groups.len(), "stack")
            ),
            lines,
            top: 0,
        })
    }
}

/// In which slot of the history a moment lies.
fn slot(at: Duration, interval: Duration) -> u64 {
    (at.as_secs_f64() / interval.as_secs_f64()).round() as u64
}

/// `1 stack`, `2 stacks`.
fn number(count: usize, of: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {of}{plural}")
}
