//! What each command prints, on terminals of 80 and 132 columns, in a pipe, and with --wide, of facts that are made up.
//!
//! The texts lie beside this file: `GRTMON_SNAPSHOTS=write cargo test --test snapshots` writes them anew, to be looked at
//! before they are committed. The pictures of `top` are in src/tui/tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod facts;

use std::{fmt::Write, fs, path::Path};

use grtmon::{
    model::{
        gc::{Sweep, Trigger},
        goroutine::What,
        groups::{Grouper, growth},
    },
    render::{
        allocation, cost, dump, gc, goroutine, histogram, metric, ps, report, sched, stat,
        style::Style, table::Fit, within::Within, wrap::wrap,
    },
};

/// What the clock of the events has to be set forward by: so they are of 2026-11-27 18:59.
const UNIX_OFFSET_NS: i128 = 1_795_805_940_000_000_000;

const WITHIN: Within = Within {
    elapsed_ns: 5_012_000_000,
    unix_ns: None,
};

const AT: Within = Within {
    unix_ns: Some(1_795_805_945_012_345_678),
    ..WITHIN
};

/// A reader.
#[derive(Clone, Copy)]
struct Reader {
    name: &'static str,
    style: Style,
}

fn readers() -> [Reader; 4] {
    let terminal = |width| Style {
        width: Some(width),
        ..Style::PLAIN
    };
    [
        ("80 columns", terminal(80)),
        ("132 columns", terminal(132)),
        ("a pipe", Style::PLAIN),
        ("80 columns, --wide", terminal(80).wide(true)),
    ]
    .map(|(name, style)| Reader { name, style })
}

/// Compares what all readers get with what they got when somebody looked at it. Each drawing goes below its name.
fn compare(command: &str, draw: impl Fn(Style) -> Vec<(&'static str, Vec<u8>)>) {
    let mut all = String::new();
    for Reader { name, style } in readers() {
        for (what, text) in draw(style) {
            let text = String::from_utf8(text).unwrap();
            if let Some(width) = style.width {
                // Stacks are as Go prints them.
                let mut rows = text.lines().filter(|line| line.starts_with("  "));
                let too_long = rows.find(|line| line.chars().count() > width);
                assert_eq!(too_long, None, "{command} {what}, {name}");
            }
            writeln!(all, "== {command}{what}: {name}\n{text}").unwrap();
        }
    }
    is_as_before(command, &all);
}

/// The same for what is alike for all readers.
fn compare_one(command: &str, drawn: Vec<(&'static str, Vec<u8>)>) {
    let mut all = String::new();
    for (what, text) in drawn {
        let text = String::from_utf8(text).unwrap();
        writeln!(all, "== {command}{what}\n{text}").unwrap();
    }
    is_as_before(command, &all);
}

fn is_as_before(command: &str, all: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(format!(
            "{}.txt",
            command.replace(" --", "-").replace(' ', "-")
        ));
    if std::env::var("GRTMON_SNAPSHOTS").is_ok_and(|it| it == "write") {
        fs::write(&file, all).unwrap();
    }
    let before = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        all == before,
        "{command} looks different now:\n{all}\nif that is better: GRTMON_SNAPSHOTS=write cargo test --test snapshots"
    );
}

/// What is said before the first row, and the headings.
fn begin(fit: &Fit) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(line) = fit.left_out() {
        note(&mut out, &line);
    }
    fit.heading(&mut out);
    out
}

/// A line as it comes on a standard error of 80 columns.
fn note(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(wrap(line, 78).join("\n  ").as_bytes());
    out.push(b'\n');
}

#[test]
fn gr() {
    compare("gr", |style| {
        let human = Style {
            human: true,
            ..style
        };
        [
            ("", goroutine::Table::new(style, false, None)),
            (" --human", goroutine::Table::new(human, false, None)),
            (
                " -T",
                goroutine::Table::new(style, false, Some(UNIX_OFFSET_NS)),
            ),
            (" --queue", goroutine::Table::new(style, true, None)),
        ]
        .map(|(what, table)| {
            let mut out = begin(table.fit());
            for (event, names) in facts::goroutines() {
                let is_of_queues = !matches!(event.what, What::Create(_) | What::Exit { .. });
                if what == " --queue" || !is_of_queues {
                    table.row(&mut out, &event, names, &mut String::new());
                }
            }
            (what, out)
        })
        .into()
    });
}

#[test]
fn gr_seq() {
    compare("gr seq", |style| {
        [
            ("", WITHIN, facts::life_times()),
            (" -T", AT, facts::life_times()),
            (" --by pid", WITHIN, facts::life_times_by_pid()),
        ]
        .map(|(what, within, times)| {
            let mut out = Vec::new();
            let style = Style {
                human: true,
                ..style
            };
            histogram::report(&mut out, &times, &within, style);
            (what, out)
        })
        .into()
    });
}

#[test]
fn gc_rows() {
    compare("gc", |style| {
        [("", None), (" -T", Some(UNIX_OFFSET_NS))]
            .map(|(what, offset)| {
                let table = gc::Table::new(style, offset);
                let mut out = begin(table.fit());
                for stop in facts::stops() {
                    table.stw(&mut out, &stop);
                }
                let cycle = facts::cycle();
                table.mark(&mut out, &cycle);
                let sweep = facts::sweep();
                table.sweep(&mut out, &sweep, Some(Trigger::Heap));
                let unfinished = Sweep {
                    finished: false,
                    ..sweep
                };
                table.sweep(&mut out, &unfinished, Some(Trigger::Periodic));
                out.push(b'\n');
                table.summary(&mut out, &facts::durations());
                (what, out)
            })
            .into()
    });
}

#[test]
fn gc_cycles() {
    // As the runtime prints it, however long.
    let drawn = [
        ("", None, false),
        (" -T", Some(UNIX_OFFSET_NS), false),
        (" --pid 1 --pid 2", None, true),
    ];
    let drawn = drawn.map(|(what, offset, with_pid)| {
        let mut out = Vec::new();
        let mut table = gc::Table::new(Style::PLAIN, offset);
        table.with_pid = with_pid;
        table.cycle(&mut out, &facts::cycle());
        (what, out)
    });
    compare_one("gc --cycles", drawn.into());
}

#[test]
fn gm() {
    let drawn = [
        ("", WITHIN, false),
        (" -T", AT, false),
        (" --by pid", WITHIN, true),
    ];
    let drawn = drawn.map(|(what, within, is_by_pid)| {
        let mut out = Vec::new();
        allocation::report(&mut out, &facts::allocation(is_by_pid), &within, false);
        (what, out)
    });
    compare_one("gm", drawn.into());
}

#[test]
fn sched_tables() {
    compare("sched", |style| {
        let style = Style {
            human: true,
            ..style
        };
        let mut out = Vec::new();
        let report = facts::sched();
        sched::report(&mut out, &report, true, &WITHIN, style);
        let mut apart = Vec::new();
        sched::report(&mut apart, &facts::sched_by_pid(), false, &WITHIN, style);
        let mut counted = Vec::new();
        sched::counters::text(&mut counted, &facts::scheduling(), &AT, style);
        vec![
            ("", out),
            (" --by pid", apart),
            (" --source counters -T", counted),
        ]
    });
}

#[test]
fn stat_lines() {
    compare("stat", |style| {
        let style = Style {
            human: true,
            ..style
        };
        [
            ("", false, None),
            (" -T", true, None),
            (" --pid 1 --pid 2", false, Some(4_194_303)),
        ]
        .map(|(what, timestamps, pid)| {
            let fit = stat::fit(style, timestamps, pid.is_some());
            let mut out = begin(&fit);
            for (interval, unix_ns) in facts::intervals() {
                stat::text(&mut out, pid, &interval, &fit, unix_ns);
            }
            (what, out)
        })
        .into()
    });
}

#[test]
fn stat_metrics() {
    let mut out = Vec::new();
    metric::text(&mut out, &facts::metrics());
    compare_one("stat --metrics", vec![("", out)]);
}

#[test]
fn ps_rows() {
    compare("ps", |style| {
        let style = Style {
            human: true,
            ..style
        };
        let fit = ps::fit(style);
        let mut out = Vec::new();
        if let Some(line) = fit.left_out() {
            note(&mut out, &line);
        }
        ps::text(&mut out, &facts::processes(), &fit);
        vec![("", out)]
    });
}

#[test]
fn dumps() {
    let (before, after) = (facts::dump(1), facts::dump(3));
    let mut grouper = Grouper::new(false);
    let mut grouped = Vec::new();
    for group in grouper.groups(&after, |_| true) {
        dump::group(&mut grouped, &group, after.at_ns, false);
    }
    let mut each = Vec::new();
    for one in &after.goroutines {
        dump::goroutine(&mut each, &after, one, true);
    }
    let mut grown = Vec::new();
    let was = grouper.groups(&before, |_| true);
    let is = grouper.groups(&after, |_| true);
    for site in growth(&was, is) {
        dump::growth(&mut grown, &site, after.at_ns, false);
    }
    for line in dump::missing(&after.missing) {
        note(&mut grown, &format!("grtmon: {line}"));
    }
    compare_one(
        "dump",
        vec![("", grouped), (" --goid", each), (" --diff", grown)],
    );
}

#[test]
fn doctor() {
    compare("doctor", |style| {
        let mut out = Vec::new();
        report::text(&mut out, &facts::findings(), style);
        vec![("", out)]
    });
}

#[test]
fn what_it_cost() {
    let all: Vec<String> = facts::costs().iter().map(cost::text).collect();
    is_as_before("cost", &(all.join("\n") + "\n"));
}
