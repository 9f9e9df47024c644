//! Which goroutines `grtmon dump` shows.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::model::dump::{Dump, Goroutine, StackState, State};
use crate::model::human::counted;
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

/// Whether there are such states at all: running and the like, or a part of what goroutines of a program can wait for,
/// as far as that is known.
///
/// # Errors
/// There are not; it lists those that there are.
pub(super) fn require_states(wanted: &[String], reasons: &[Arc<str>]) -> Result<()> {
    let reasons = || reasons.iter().filter(|reason| !reason.is_empty());
    let is_one = |wanted: &str| {
        State::ALL.iter().any(|state| state.word() == wanted)
            || reasons().any(|reason| reason.to_lowercase().contains(wanted))
    };
    if reasons().next().is_none() {
        return Ok(());
    }
    match wanted.iter().find(|state| !is_one(&state.to_lowercase())) {
        None => Ok(()),
        Some(unknown) => {
            let words: Vec<&str> = State::ALL.iter().map(|state| state.word()).collect();
            let reasons: Vec<&str> = reasons().map(|reason| &**reason).collect();
            bail!(
                "goroutines have no state {unknown:?}; they have {}, or a part of what they wait for: {}",
                words.join(", "),
                reasons.join(", ")
            )
        }
    }
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

impl Filter<'_> {
    /// Whether goroutines are asked for by their numbers: then all of them is of interest.
    pub(super) fn is_by_number(&self) -> bool {
        !self.args.goid.is_empty()
    }

    /// Which of those numbers no goroutine has.
    pub(super) fn absent(&self, dump: &Dump) -> Vec<u64> {
        let is_there = |goid: &&u64| dump.goroutines.iter().any(|one| one.goid == **goid);
        let wanted = self.args.goid.iter();
        wanted.filter(|goid| !is_there(goid)).copied().collect()
    }
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
            if !self.args.goid.is_empty() {
                totals.goroutines += 1;
                if self.args.goid.contains(&one.goid) {
                    chosen.insert(one.goid);
                    totals.shown += 1;
                }
                continue;
            }
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
            let (are, them) = if system == 1 {
                ("is", "it")
            } else {
                ("are", "them")
            };
            format!("; {system} of the runtime {are} hidden (--system shows {them})")
        } else {
            String::new()
        };
        let goroutines = match of.is_empty() {
            true => counted(shown, "goroutine"),
            false => format!("{shown}{of} goroutines"),
        };
        format!(
            "{goroutines} in {}{hidden}",
            counted(groups as u64, "group")
        )
    }
}
