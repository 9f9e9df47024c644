//! Which events of `gr` are shown, and how many there were.

use std::collections::HashMap;

use anyhow::Result;

use crate::cli;
use crate::model::account::Account;
use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Names;
use crate::model::goroutine::Summary;
use crate::model::goroutine::What;
use crate::observe::names::NameFilter;
use crate::render::goroutine;
use crate::render::goroutine::Table;
use crate::render::goroutine::json;
use crate::target::clock;

use super::output;
use super::output::Output;

/// Exits without a time, and why.
#[derive(Debug)]
pub(super) struct Untimed {
    pub(super) count: u64,
    pub(super) why: String,
}

/// Reasons that are told at most; of the others there is a count.
const REASONS: usize = 5;

/// Decides which events are shown, and writes them.
pub(super) struct Printer {
    pub(super) output: Output,
    table: Table,
    json: bool,
    /// What makes a time of the kernel's one of the calendar's, as it was a moment ago.
    pub(super) unix_offset_ns: i128,
    function: Option<NameFilter>,
    /// What the filter said of each start function.
    matches: HashMap<u64, bool>,
    min_time_ns: Option<u64>,
    limit: Option<u64>,
    shown: u64,
    created: u64,
    exited: u64,
    /// Exits shown of which not even the least time is known.
    untimed: u64,
    place: String,
}

impl Printer {
    pub(super) fn new(rows: &cli::GrRows, form: cli::Output) -> Result<Self> {
        Ok(Self {
            output: Output::observing()?,
            table: Table::new(output::style(rows.human), rows.queue),
            json: form == cli::Output::Json,
            unix_offset_ns: clock::unix_offset_ns()?,
            function: rows.r#fn.as_ref().map(NameFilter::new),
            matches: HashMap::new(),
            min_time_ns: rows
                .min_time
                .map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            limit: rows.count,
            shown: 0,
            created: 0,
            exited: 0,
            untimed: 0,
            place: String::new(),
        })
    }

    pub(super) fn heading(&mut self) -> Result<()> {
        if !self.json {
            self.table.heading(&mut self.output.text);
        }
        self.output.flush()
    }

    pub(super) fn is_done(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    /// Whether it is an exit, and shown, of which no time is known.
    pub(super) fn event(
        &mut self,
        event: &GoroutineEvent,
        start: Option<u64>,
        names: Names<'_>,
    ) -> bool {
        match event.what {
            What::Create(_) => self.created += 1,
            What::Exit { .. } => self.exited += 1,
            What::Image => return false,
            What::Alive { .. } | What::PutGlobal { .. } | What::GetGlobal | What::Steal { .. } => {}
        }
        if self.is_done() || !self.wants(event, start, names) {
            return false;
        }
        self.shown += 1;
        let times = (event.running_ns(), event.running_at_least_ns());
        let is_exit = matches!(event.what, What::Exit { .. });
        let is_untimed = is_exit && times == (None, None);
        self.untimed += u64::from(is_untimed);
        if self.json {
            json::event(&mut self.output.text, event, names, self.unix_offset_ns);
        } else {
            self.table
                .row(&mut self.output.text, event, names, &mut self.place);
        }
        self.output.counts();
        is_untimed
    }

    fn wants(&mut self, event: &GoroutineEvent, start: Option<u64>, names: Names<'_>) -> bool {
        if let Some(min) = self.min_time_ns
            && event
                .running_ns()
                .or(event.running_at_least_ns())
                .is_none_or(|running| running < min)
        {
            return false;
        }
        let Some(filter) = &self.function else {
            return true;
        };
        let (Some(start), Some(name)) = (start, names.function) else {
            return false;
        };
        *self
            .matches
            .entry(start)
            .or_insert_with(|| filter.matches(name))
    }

    /// The last lines: what passed, what was seen of it, what was lost.
    pub(super) fn end(
        &mut self,
        passed: Summary,
        untimed: &[Untimed],
        account: &Account,
    ) -> Result<()> {
        let summary = Summary {
            created_seen: self.created,
            exited_seen: self.exited,
            shown: self.shown,
            untimed: self.untimed,
            ..passed
        };
        if self.json {
            json::end(&mut self.output.text, &summary, account);
        }
        self.output.flush()?;
        if !self.json {
            output::note(&goroutine::summary(&summary));
            self.tell_untimed(untimed);
        }
        Ok(())
    }

    /// Says of which exits the time is not known, and why.
    fn tell_untimed(&self, untimed: &[Untimed]) {
        let mut rest = self.untimed;
        for one in untimed.iter().take(REASONS) {
            output::note(&format!("{} exits have ? for TIME: {}", one.count, one.why));
            rest = rest.saturating_sub(one.count);
        }
        if rest > 0 {
            output::note(&format!(
                "{rest} exits have ? for TIME: their first execution was not seen, as their start function was not watched yet, or they were there already and the process's memory cannot be read",
            ));
        }
    }
}
