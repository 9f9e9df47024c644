//! Rows of `gr`.

pub mod json;

use crate::model::goroutine::GoroutineEvent;
use crate::model::goroutine::Names;
use crate::model::goroutine::Summary;
use crate::model::goroutine::What;

use crate::render::style::Colour;
use crate::render::style::Style;
use crate::render::table;
use crate::render::table::Column;
use crate::render::table::Row;

/// The original's five columns, which fit into 80 characters, then ours.
const COLUMNS: [Column; 9] = [
    Column {
        heading: "FN",
        width: 30,
    },
    Column {
        heading: "GOID",
        width: 8,
    },
    Column {
        heading: "PID",
        width: 8,
    },
    Column {
        heading: "EVENT",
        width: 10,
    },
    Column {
        heading: "TIME(ns)",
        width: 15,
    },
    Column {
        heading: "P",
        width: 3,
    },
    Column {
        heading: "WAIT(ns)",
        width: 12,
    },
    Column {
        heading: "CREATOR",
        width: 8,
    },
    Column {
        heading: "CREATED AT",
        width: 20,
    },
];

/// The same with `--queue`: how many goroutines moved.
const QUEUE_COLUMNS: [Column; 10] = [
    COLUMNS[0],
    COLUMNS[1],
    COLUMNS[2],
    COLUMNS[3],
    COLUMNS[4],
    COLUMNS[5],
    Column {
        heading: "MOVED",
        width: 5,
    },
    COLUMNS[6],
    COLUMNS[7],
    COLUMNS[8],
];

/// Writes events as rows.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    style: Style,
    queue: bool,
}

impl Table {
    /// `queue` adds the column that only queue events fill.
    pub fn new(style: Style, queue: bool) -> Self {
        Self { style, queue }
    }

    fn columns(&self) -> &'static [Column] {
        if self.queue { &QUEUE_COLUMNS } else { &COLUMNS }
    }

    /// The line of headings.
    pub fn heading(&self, out: &mut Vec<u8>) {
        table::heading(out, self.columns(), self.style);
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
        let mut row = Row::begin(out, self.columns(), self.style);
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
    let before = before.map_or_else(|| "?".to_owned(), |before| before.to_string());
    format!(
        "{before} goroutines were there already, {} created, {} exited; {} rows shown",
        summary.created, summary.exited, summary.shown
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

    fn text(table: Table) -> String {
        let mut out = Vec::new();
        table.heading(&mut out);
        for event in events() {
            table.row(&mut out, &event, NAMES, &mut String::new());
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_original_columns_come_first() {
        let expected = "   \
FN                             GOID     PID      EVENT      TIME(ns)        P   WAIT(ns)     CREATOR  CREATED AT
   main.worker                    92       4242     create     -               1   -            1        main.go:42
   main.worker                    92       4242     exit       3500            1   500          1        main.go:42
   main.worker                    92       4242     exit       ?               1   ?            1        main.go:42
   main.worker                    92       4242     exit       >5800           1   ?            1        main.go:42
   -                              -        4242     steal      -               1   -            -        main.go:42
";
        assert_eq!(text(Table::new(Style::PLAIN, false)), expected);
    }

    #[test]
    fn eighty_columns_hold_the_essential() {
        let style = Style {
            width: Some(80),
            ..Style::PLAIN
        };
        for line in text(Table::new(style, true)).lines() {
            assert!(line.chars().count() <= 80, "{line:?}");
        }
    }
}
