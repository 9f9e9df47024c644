//! Which goroutines `grtmon dump` shows.

use std::collections::HashSet;

use crate::cli;
use crate::model::dump::{Dump, Goroutine, StackState, State};
use crate::render::dump_json::Totals;

use crate::observe::names::NameFilter;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    args: &'a cli::Dump,
    stuck_ns: Option<u64>,
    states: Vec<String>,
    function: Option<NameFilter>,
    creator: Option<NameFilter>,
}

/// Which goroutines of a dump these are.
#[derive(Debug)]
pub(super) struct Chosen<W> {
    /// Whether a goroutine of that dump is one of them.
    pub(super) wanted: W,
    /// How many are, and are not.
    pub(super) totals: Totals,
    /// Goroutines left out because it is not known for how long they have been waiting.
    pub(super) unknown_times: u64,
    /// Goroutines left out because they may have been waiting that long, or not.
    pub(super) possible: u64,
}

impl<'a> Filter<'a> {
    pub(super) fn new(args: &'a cli::Dump) -> Self {
        let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            args,
            stuck_ns: args.stuck.map(ns),
            function: args.r#fn.as_ref().map(NameFilter::new),
            creator: args.created_by.as_ref().map(NameFilter::new),
            states: args.state.iter().map(|it| it.to_lowercase()).collect(),
        }
    }

    /// Decides for each goroutine of a dump.
    pub(super) fn choose(&self, dump: &Dump) -> Chosen<impl Fn(&Goroutine) -> bool + use<>> {
        let matching: Option<Vec<bool>> = self.function.as_ref().map(|filter| {
            let stacks = dump.stacks.iter();
            let has = |name: &str| filter.matches(name);
            stacks
                .map(|stack| stack.frames.iter().any(|it| has(&it.place.function)))
                .collect()
        });
        let mut totals = Totals {
            missing: dump.missing,
            ..Totals::default()
        };
        let (mut unknown_times, mut possible) = (0, 0);
        let mut chosen = HashSet::new();
        for one in &dump.goroutines {
            if one.system && !self.args.system {
                totals.system += 1;
                continue;
            }
            totals.goroutines += 1;
            if !self.has_state(one) || !self.has_names(one, matching.as_deref()) {
                continue;
            }
            if let Some(stuck) = self.stuck_ns {
                let blocked = matches!(one.state, State::Waiting | State::Syscall | State::Leaked);
                // What the collector noted is when the cycle before ended: no more than a possibility.
                let (may, must) = (
                    one.waited_ns(dump.at_ns),
                    one.waited_at_least_ns(dump.at_ns),
                );
                if must.is_none_or(|waited| waited < stuck) {
                    match may {
                        Some(waited) if waited >= stuck => possible += 1,
                        None if blocked => unknown_times += 1,
                        _ => {}
                    }
                    continue;
                }
            }
            chosen.insert(one.goid);
            totals.shown += 1;
        }
        Chosen {
            wanted: move |one: &Goroutine| chosen.contains(&one.goid),
            totals,
            unknown_times,
            possible,
        }
    }

    fn has_state(&self, one: &Goroutine) -> bool {
        let reason = one.wait_reason.as_deref().unwrap_or_default();
        self.states.is_empty()
            || self.states.iter().any(|wanted| {
                one.state.word() == wanted || reason.to_lowercase().contains(wanted.as_str())
            })
    }

    /// `matching` says for each stack whether one of its functions was asked for.
    fn has_names(&self, one: &Goroutine, matching: Option<&[bool]>) -> bool {
        let by_function = matching.is_none_or(|matching| match one.stack {
            StackState::Read(index) => matching.get(index).copied().unwrap_or(false),
            // All that is known is where it began.
            _ => self.function.as_ref().is_some_and(|filter| {
                one.start
                    .as_deref()
                    .is_some_and(|start| filter.matches(&start.function))
            }),
        });
        let by_creator = self.creator.as_ref().is_none_or(|filter| {
            one.created
                .as_deref()
                .is_some_and(|created| filter.matches(&created.function))
        });
        by_function && by_creator
    }
}

impl<W: Fn(&Goroutine) -> bool> Chosen<W> {
    /// The goroutines themselves.
    pub(super) fn of<'d>(&self, dump: &'d Dump) -> impl Iterator<Item = &'d Goroutine> {
        dump.goroutines.iter().filter(|one| (self.wanted)(one))
    }

    /// `12 of 34 goroutines in 3 groups (9 of the runtime hidden: --system)`.
    pub(super) fn totals_with(&self, groups: usize) -> String {
        let Totals {
            goroutines,
            shown,
            system,
            ..
        } = self.totals;
        let of = if shown == goroutines {
            String::new()
        } else {
            format!(" of {goroutines}")
        };
        let hidden = if system > 0 {
            format!("; {system} of the runtime are hidden (--system shows them)")
        } else {
            String::new()
        };
        format!("{shown}{of} goroutines in {groups} groups{hidden}")
    }
}
