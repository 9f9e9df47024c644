//! Rows of `gr`.

pub mod json;

use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Names;
use crate::model::goroutine::Summary;
use crate::model::goroutine::What;
use crate::model::human::counted;

use crate::render::style::Colour;
use crate::render::style::Style;
use crate::render::table::Column;
use crate::render::table::Fit;
use crate::render::table::Row;
use crate::render::table::TIME_OF_DAY;

/// The original's five columns, and where a goroutine was created, fit into 80 characters; the others are there where there
/// is more room.
fn columns(queue: bool, timestamps: bool) -> impl Iterator<Item = Column> {
    let event = match queue {
        true => Column::new("EVENT", 10),
        false => Column::new("EVENT", 6),
    };
    let columns = [
        timestamps.then_some(TIME_OF_DAY),
        Some(Column::new("FN", 40).least(22)),
        Some(Column::new("GOID", 8)),
        Some(Column::new("PID", 7)),
        Some(event),
        Some(Column::new("TIME(ns)", 15).least(12)),
        Some(Column::new("P", 3).rank(3)),
        // What was asked for goes before what was not.
        queue.then_some(Column::new("MOVED", 5)),
        Some(Column::new("WAIT(ns)", 12).rank(2)),
        Some(Column::new("CREATOR", 8).rank(4)),
        Some(Column::new("CREATED AT", 20).least(17).rank(1)),
    ];
    columns.into_iter().flatten()
}

/// Writes events as rows.
#[derive(Debug, Clone)]
pub struct Table {
    fit: Fit,
    queue: bool,
    /// What makes a time of the kernel's one of the calendar's; `None`: times of day are not shown.
    pub unix_offset_ns: Option<i128>,
}

impl Table {
    /// `queue` adds the column that only queue events fill, `unix_offset_ns` that of the time of day.
    pub fn new(style: Style, queue: bool, unix_offset_ns: Option<i128>) -> Self {
        Self {
            fit: Fit::of(columns(queue, unix_offset_ns.is_some()), style),
            queue,
            unix_offset_ns,
        }
    }

    /// Its columns.
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// One event. `place` is scratch space for the creation site.
    pub fn row(
        &self,
        out: &mut Vec<u8>,
        event: &GoroutineEvent,
        names: Names<'_>,
        place: &mut String,
    ) {
        let goroutine = event.goroutine();
        let mut row = Row::begin(out, &self.fit);
        if let Some(offset) = self.unix_offset_ns {
            row.time_of_day(u64::try_from(i128::from(event.time_ns) + offset).ok());
        }
        match (goroutine, names.function) {
            (Some(_), Some(name)) => row.cell(name),
            (Some(_), None) => row.coloured("?", Colour::Yellow),
            (None, _) => row.cell("-"),
        };
        row.number(goroutine.map(|goroutine| goroutine.goid));
        row.process(event.process);
        match event.what {
            What::Create(_) => row.coloured(word(&event.what), Colour::Green),
            What::Exit { .. } | What::Alive { .. } => row.cell(word(&event.what)),
            _ => row.coloured(word(&event.what), Colour::Dim),
        };
        match event.what {
            What::Exit { .. } => match event.running_at_least_ns() {
                Some(ns) => row.duration_above(ns),
                None => row.duration(event.running_ns()),
            },
            _ => row.number(None),
        };
        row.number(event.p.map(u64::from));
        if self.queue {
            row.number(moved(&event.what));
        }
        match event.what {
            What::Exit { .. } => row.duration(event.waited_ns()),
            _ => row.number(None),
        };
        match goroutine.map(|goroutine| goroutine.creator) {
            Some(creator) => row.number(creator),
            None => row.cell("-"),
        };
        match names.created_at {
            Some((file, line)) => {
                place.clear();
                place.push_str(file.rsplit('/').next().unwrap_or(file));
                place.push(':');
                place.push_str(itoa::Buffer::new().format(line));
                row.cell(place)
            }
            None => row.cell("-"),
        };
        row.end();
    }
}

/// What an observation came to, in one line.
pub fn summary(summary: &Summary) -> String {
    let before = summary.alive_before;
    let before = match before {
        Some(1) => "1 goroutine was".to_owned(),
        Some(before) => format!("{before} goroutines were"),
        None => "? goroutines were".to_owned(),
    };
    format!(
        "{before} there already, {} created, {} exited; {} shown",
        summary.created,
        summary.exited,
        counted(summary.shown, "row")
    )
}

pub(super) fn word(what: &What) -> &'static str {
    match what {
        What::Create(_) => "create",
        What::Exit { .. } => "exit",
        What::Alive { .. } => "alive",
        What::PutGlobal { .. } => "put global",
        What::GetGlobal => "get global",
        What::Steal { .. } => "steal",
        What::Image => "image",
    }
}

pub(super) fn moved(what: &What) -> Option<u64> {
    match what {
        What::PutGlobal { moved, .. } | What::Steal { moved } => Some(*moved),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::goroutine::Identity;

    fn events() -> Vec<GoroutineEvent> {
        let goroutine = Identity {
            goid: 92,
            start_pc: Some(0x4d_3160),
            created_pc: Some(0x4d_3100),
            creator: Some(1),
        };
        let at = |time_ns, what| GoroutineEvent {
            time_ns,
            process: 4242,
            p: Some(1),
            what,
        };
        vec![
            at(1_000, What::Create(goroutine)),
            at(
                5_000,
                What::Exit {
                    goroutine,
                    created_ns: Some(1_000),
                    started_ns: Some(1_500),
                    begun_ns: None,
                },
            ),
            at(
                5_000,
                What::Exit {
                    goroutine,
                    created_ns: None,
                    started_ns: None,
                    begun_ns: None,
                },
            ),
            at(
                7_000,
                What::Exit {
                    goroutine,
                    created_ns: None,
                    started_ns: None,
                    begun_ns: Some(1_200),
                },
            ),
            at(6_000, What::Steal { moved: 3 }),
        ]
    }

    const NAMES: Names<'_> = Names {
        function: Some("main.worker"),
        start: Some("main.main.gowrap1"),
        created_at: Some(("/src/server/main.go", 42)),
    };

    fn text(table: &Table) -> String {
        let mut out = Vec::new();
        table.fit().heading(&mut out);
        for event in events() {
            table.row(&mut out, &event, NAMES, &mut String::new());
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_original_columns_come_first() {
        let text = text(&Table::new(Style::PLAIN, false, None));
        let heading: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(heading[..5], ["FN", "GOID", "PID", "EVENT", "TIME(ns)"]);
    }

    #[test]
    fn eighty_columns_hold_the_essential() {
        let style = Style {
            width: Some(80),
            ..Style::PLAIN
        };
        for table in [
            Table::new(style, false, None),
            Table::new(style, true, Some(0)),
        ] {
            for line in text(&table).lines() {
                assert!(line.chars().count() <= 80, "{line:?}");
            }
        }
    }
}
