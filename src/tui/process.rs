//! The view of one process: what was read of it, and how that is looked at.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::model::census::Census;
use crate::model::census::Origin;
use crate::model::gc::GcEvent;
use crate::model::top::FunctionTimes;
use crate::model::top::Lifetimes;
use crate::model::top::News;
use crate::model::top::Point;
use crate::model::top::Probes;
use crate::model::top::Who;

use super::choices::Chosen;
use super::choices::End;
use super::choices::Page;
use super::choices::Panel;
use super::choices::Row;
use super::choices::Sort;
use super::choices::Tab;
use super::filter::Filter;
use super::growth::Growth;
use super::history::History;
use super::processes::largest_first;
use super::processes::next;
use super::rows::Selection;

/// Events of the collector that are kept.
const EVENTS: usize = 500;

/// Refreshes in a column of the plots, by zoom.
pub const ZOOMS: [usize; 6] = [1, 2, 5, 10, 30, 60];

/// Everything that was read and probed. Pausing keeps a copy of it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Refresh by refresh.
    pub history: History,
    /// The last census.
    pub census: Option<Census>,
    /// When the last census was made: the time shown, and seconds since the view was opened.
    pub census_at: (Option<u64>, f64),
    sites: Growth<Origin>,
    functions: Growth<Option<Arc<str>>>,
    /// Seconds since the view was opened.
    pub at: f64,
    /// Goroutines at the first reading that told them.
    pub first_goroutines: Option<u64>,
    /// For how long the process has been running.
    pub uptime: Option<Duration>,
    /// Goroutines that ended.
    pub lifetimes: Lifetimes,
    /// The last events of the collector, the latest last.
    pub events: VecDeque<GcEvent>,
    /// How many there were in all.
    pub events_in_all: u64,
    /// Events of the collector that were lost.
    pub events_lost: u64,
}

/// One process, and how it is looked at.
#[derive(Debug, Default)]
pub struct ProcessScreen {
    /// Which.
    pub who: Who,
    live: Seen,
    paused: Option<Box<Seen>>,
    /// Why there is nothing new any more, and for how many seconds.
    pub end: Option<(End, f64)>,
    /// What the lower half shows.
    pub tab: Tab,
    /// What it is sorted by.
    pub sort: Sort,
    /// The other way round.
    pub reversed: bool,
    /// Which rows are shown.
    pub filter: Filter,
    origins: Selection<Origin>,
    starts: Selection<Option<Arc<str>>>,
    /// How far down one has gone where rows cannot be selected.
    scrolled: usize,
    zoom: usize,
    panels: BTreeMap<Probes, Panel>,
    /// Stacks that were opened.
    pub page: Option<Page>,
}

impl ProcessScreen {
    /// Nothing has been read yet.
    pub fn new(who: Who) -> Self {
        Self {
            who,
            ..Self::default()
        }
    }

    /// What is to be drawn.
    pub fn seen(&self) -> &Seen {
        self.paused.as_deref().unwrap_or(&self.live)
    }

    /// Whether the picture stands still.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Lets the picture stand still, or go on. What comes meanwhile is kept.
    pub fn toggle_pause(&mut self) {
        self.paused = match self.paused {
            Some(_) => None,
            None => Some(Box::new(self.live.clone())),
        };
    }

    /// Adds what was read in a slot of the history, `at` seconds after the view was opened.
    pub fn push(&mut self, slot: u64, at: f64, point: Option<Point>, uptime: Option<Duration>) {
        let live = &mut self.live;
        live.at = at;
        live.uptime = uptime;
        let goroutines = point.as_ref().and_then(|point| point.goroutines);
        live.first_goroutines = live.first_goroutines.or(goroutines);
        live.history.push(slot, point);
    }

    /// Adds a census made `at` seconds after the view was opened, at `at_ns` of CLOCK_MONOTONIC.
    pub fn count(&mut self, at: f64, at_ns: Option<u64>, census: Census) {
        let live = &mut self.live;
        let sites = census.sites.iter().map(|site| (&site.origin, site.count));
        live.sites.push(at, sites);
        let mut functions: BTreeMap<Option<Arc<str>>, u64> = BTreeMap::new();
        for site in &census.sites {
            *functions.entry(site.origin.start.clone()).or_default() += site.count;
        }
        live.functions
            .push(at, functions.iter().map(|(start, count)| (start, *count)));
        live.census = Some(census);
        live.census_at = (at_ns, at);
    }

    /// Nothing new will come: `why`, noticed `at` seconds after the view was opened.
    pub fn ended(&mut self, at: f64, why: End) {
        self.live.at = at;
        if self.end.is_none() {
            self.end = Some((why, at));
        }
    }

    /// Time passed in which nothing could be read any more.
    pub fn pass(&mut self, at: f64) {
        self.live.at = at;
    }

    /// Seconds since the end.
    pub fn ended_for(&self) -> f64 {
        self.end.as_ref().map_or(0.0, |(_, at)| self.live.at - at)
    }

    /// The state of some probes.
    pub fn panel(&self, probes: Probes) -> &Panel {
        self.panels.get(&probes).unwrap_or(&Panel::Off)
    }

    /// Probes were asked for, or asked to go.
    pub fn set_panel(&mut self, probes: Probes, panel: Panel) {
        self.panels.insert(probes, panel);
    }

    /// Probes have something to say.
    pub fn tell(&mut self, probes: Probes, news: News) {
        match news {
            News::Started => {
                match probes {
                    Probes::Lifetimes => self.live.lifetimes = Lifetimes::default(),
                    Probes::Collector => {
                        self.live.events.clear();
                        self.live.events_in_all = 0;
                        self.live.events_lost = 0;
                    }
                }
                self.set_panel(probes, Panel::On(None));
            }
            News::Cost(cost) => {
                if let Some(Panel::On(known)) = self.panels.get_mut(&probes) {
                    *known = Some(cost);
                }
            }
            News::Lifetimes(lifetimes) => self.live.lifetimes = lifetimes,
            News::Collector(events) => {
                self.live.events_in_all += events.len() as u64;
                self.live.events.extend(events);
                let excess = self.live.events.len().saturating_sub(EVENTS);
                self.live.events.drain(..excess);
            }
            News::Lost(events) => self.live.events_lost = events,
            News::Ended(why) => {
                self.set_panel(probes, why.map_or(Panel::Off, Panel::Failed));
            }
        }
    }

    /// Refreshes in a column of the plots.
    pub fn per_column(&self) -> usize {
        ZOOMS.get(self.zoom).copied().unwrap_or(1)
    }

    /// Shows a longer time, or a shorter one.
    pub fn zoom(&mut self, out: bool) {
        self.zoom = match out {
            true => (self.zoom + 1).min(ZOOMS.len() - 1),
            false => self.zoom.saturating_sub(1),
        };
    }

    /// Sorts by the next thing.
    pub fn next_sort(&mut self) {
        self.sort = next(&Sort::ALL, self.sort);
    }

    /// The goroutines that are shown, in order: by origin, or by function where the tab says so.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = match self.tab {
            Tab::Functions => self.by_function(),
            _ => self.by_origin(),
        };
        rows.retain(|row| self.takes(row));
        rows.sort_by(|a, b| {
            let order = match self.sort {
                Sort::Count => b.count.cmp(&a.count),
                Sort::Growth => b.grown.cmp(&a.grown),
                Sort::Rate => largest_first(a.per_second, b.per_second),
                Sort::Waiting => {
                    let since = |row: &Row| row.since_ns.unwrap_or(u64::MAX);
                    since(a).cmp(&since(b))
                }
                Sort::Activity => a.activity.0.cmp(&b.activity.0),
                Sort::Function => a.start.cmp(&b.start),
            };
            let order = if self.reversed {
                order.reverse()
            } else {
                order
            };
            order
                .then_with(|| b.count.cmp(&a.count))
                .then_with(|| a.start.cmp(&b.start))
                .then_with(|| a.origin.cmp(&b.origin))
        });
        rows
    }

    fn takes(&self, row: &Row) -> bool {
        let known = |word: &Option<Arc<str>>| word.as_deref().unwrap_or_default().to_owned();
        let origin = row.origin.as_ref();
        let place = origin.and_then(Origin::created_at).unwrap_or_default();
        let creator = origin.map_or_else(String::new, |origin| known(&origin.creator));
        self.filter
            .takes(&[&known(&row.start), &row.activity.0, &creator, &place])
    }

    fn by_origin(&self) -> Vec<Row> {
        let seen = self.seen();
        let sites = seen.census.iter().flat_map(|census| &census.sites);
        sites
            .map(|site| Row {
                origin: Some(site.origin.clone()),
                start: site.origin.start.clone(),
                origins: 1,
                count: site.count,
                grown: seen.sites.since_start(&site.origin),
                per_second: seen.sites.per_second(&site.origin),
                activity: (Arc::clone(&site.activity), site.active),
                since_ns: site.since_ns,
            })
            .collect()
    }

    fn by_function(&self) -> Vec<Row> {
        let seen = self.seen();
        let mut rows: BTreeMap<Option<Arc<str>>, Row> = BTreeMap::new();
        for site in seen.census.iter().flat_map(|census| &census.sites) {
            let start = &site.origin.start;
            let row = rows.entry(start.clone()).or_insert_with(|| Row {
                origin: Some(site.origin.clone()),
                start: start.clone(),
                origins: 0,
                count: 0,
                grown: seen.functions.since_start(start),
                per_second: seen.functions.per_second(start),
                activity: (Arc::clone(&site.activity), 0),
                since_ns: None,
            });
            row.origins += 1;
            if row.origins > 1 {
                row.origin = None;
            }
            row.count += site.count;
            if row.activity.0 == site.activity {
                row.activity.1 += site.active;
            } else if site.active > row.activity.1 {
                row.activity = (Arc::clone(&site.activity), site.active);
            }
            let since = row.since_ns.into_iter().chain(site.since_ns);
            row.since_ns = since.min();
        }
        rows.into_values().collect()
    }

    /// Goroutines that ended, by start function, as far as the filter takes them.
    pub fn lifetimes(&self) -> Vec<&FunctionTimes> {
        let functions = self.seen().lifetimes.functions.iter();
        functions
            .filter(|function| self.filter.takes(&[&function.name]))
            .collect()
    }

    /// Which of [`rows`](Self::rows) is selected.
    pub fn selected(&self, rows: &[Row]) -> usize {
        match self.tab {
            Tab::Sites => self.origins.index(&origins(rows)),
            Tab::Functions => self.starts.index(&starts(rows)),
            Tab::Lifetimes | Tab::Collector => self.scrolled,
        }
    }

    /// The goroutines in the row that is selected.
    pub fn chosen(&self) -> Option<Chosen> {
        let rows = self.rows();
        let row = rows.get(self.selected(&rows))?;
        match self.tab {
            Tab::Sites => Some(Chosen::Origin(row.origin.clone()?)),
            Tab::Functions => Some(Chosen::Function(row.start.clone())),
            Tab::Lifetimes | Tab::Collector => None,
        }
    }

    /// Goes so many rows down, or up.
    pub fn step(&mut self, by: isize) {
        let rows = self.rows();
        match self.tab {
            Tab::Sites => self.origins.step(&origins(&rows), by),
            Tab::Functions => self.starts.step(&starts(&rows), by),
            Tab::Lifetimes => self.scroll(self.lifetimes().len(), by),
            Tab::Collector => self.scroll(self.seen().events.len(), by),
        }
    }

    fn scroll(&mut self, rows: usize, by: isize) {
        let last = rows.saturating_sub(1);
        self.scrolled = self.scrolled.saturating_add_signed(by).min(last);
    }

    /// Shows something else in the lower half.
    pub fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.scrolled = 0;
    }
}

fn origins(rows: &[Row]) -> Vec<Origin> {
    rows.iter().filter_map(|row| row.origin.clone()).collect()
}

fn starts(rows: &[Row]) -> Vec<Option<Arc<str>>> {
    rows.iter().map(|row| row.start.clone()).collect()
}
