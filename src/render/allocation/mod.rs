//! Allocations by size class, drawn as the original drew them.

pub mod json;

use std::io::Write;

use crate::model::allocation::Allocated;
use crate::model::allocation::Allocations;
use crate::model::allocation::Count;
use crate::model::allocation::Counters;
use crate::model::allocation::Report;
use crate::model::human::counted;
use crate::model::human::human_bytes;
use crate::render::process;
use crate::render::within::Within;

/// Stars of the longest bar.
const BAR: usize = 30;

/// Columns for the name of a process.
const NAME: usize = 77;

/// What `gm` prints: of which time it is, what each process allocated if they are told apart, and what all did. With
/// `whole` also classes in which nothing was allocated.
pub fn report(out: &mut Vec<u8>, report: &Report, within: &Within, whole: bool) {
    within.heading(out);
    if let Some(by_pid) = &report.by_pid {
        for (process, own) in by_pid.iter().take(process::SHOWN) {
            out.extend_from_slice(b"   ");
            process::push(out, process, NAME);
            out.push(b'\n');
            allocated(out, own, within, whole);
            out.push(b'\n');
        }
        process::more(out, by_pid.len());
        let _ = writeln!(out, "   all");
    }
    allocated(out, &report.total, within, whole);
    out.push(b'\n');
}

fn allocated(out: &mut Vec<u8>, allocated: &Allocated, within: &Within, whole: bool) {
    table(out, &allocated.meanwhile, within, whole);
    if let Some(counters) = &allocated.counters {
        since_start(out, counters);
    }
}

/// Draws one bar per class in which anything was allocated (with `all`: per class), then the totals with their rates, all
/// of them within this time.
fn table(out: &mut Vec<u8>, allocations: &Allocations, within: &Within, all: bool) {
    let _ = writeln!(
        out,
        "   malloc     : count      distribution{}bytes",
        " ".repeat(BAR - 9)
    );
    let rows = rows(allocations);
    let most = rows
        .iter()
        .map(|(_, count)| count.objects)
        .max()
        .unwrap_or(0);
    for (name, count) in rows.iter().filter(|(_, count)| all || count.objects > 0) {
        let stars = "*".repeat(stars(count.objects, most));
        let bytes = own_bytes(*count).map_or_else(|| "in 16B".to_owned(), human_bytes);
        let _ = writeln!(
            out,
            "   {name:<10} : {:<10} |{stars:<BAR$}| {bytes}",
            count.objects
        );
    }
    let total = allocations.total();
    let seconds = (within.elapsed_ns as f64 / 1e9).max(1e-9);
    let _ = writeln!(
        out,
        "   total {}, {}: {:.0} objects/s, {}/s",
        counted(total.objects, "object"),
        human_bytes(total.bytes),
        total.objects as f64 / seconds,
        human_bytes((total.bytes as f64 / seconds) as u64),
    );
}

/// What was allocated since the process began, below a table of what was allocated since we look.
fn since_start(out: &mut Vec<u8>, counters: &Counters) {
    let total = counters.since_start.total();
    let began = match counters.processes {
        1 => "process",
        _ => "processes",
    };
    let _ = writeln!(
        out,
        "   since the {began} began {}, {}",
        counted(total.objects, "object"),
        human_bytes(total.bytes)
    );
}

fn rows(allocations: &Allocations) -> Vec<(String, Count)> {
    let mut rows = vec![("tiny <16B".to_owned(), allocations.tiny)];
    rows.extend(
        allocations
            .classes
            .iter()
            .map(|(bytes, count)| (format!("{bytes}B"), *count)),
    );
    rows.push(("> 32KB".to_owned(), allocations.large));
    rows
}

fn stars(count: u64, most: u64) -> usize {
    if count == 0 || most == 0 {
        return 0;
    }
    let exact = u128::from(count) * BAR as u128 / u128::from(most);
    usize::try_from(exact).unwrap_or(BAR).clamp(1, BAR)
}

/// The bytes of some objects; `None` of tiny ones that were counted without: they lie in blocks that were counted.
pub(super) fn own_bytes(count: Count) -> Option<u64> {
    (count.objects == 0 || count.bytes > 0).then_some(count.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_SECONDS: Within = Within {
        elapsed_ns: 2_000_000_000,
        unix_ns: None,
    };

    fn text(out: &mut Vec<u8>, allocations: &Allocations, within: &Within, all: bool) {
        let meanwhile = allocations.clone();
        let total = Allocated {
            meanwhile,
            counters: None,
        };
        let found = Report {
            total,
            by_pid: None,
        };
        report(out, &found, within, all);
    }

    fn sample() -> Allocations {
        let count = |objects, bytes| Count { objects, bytes };
        Allocations {
            tiny: count(60, 300),
            classes: vec![(8, count(2, 16)), (16, count(0, 0)), (24, count(30, 720))],
            large: count(1, 40960),
        }
    }

    #[test]
    fn classes_are_told_apart() {
        let mut out = Vec::new();
        text(&mut out, &sample(), &TWO_SECONDS, false);
        let expected = "   \
in the 2.0 s since the observation began:
   malloc     : count      distribution                     bytes
   tiny <16B  : 60         |******************************| 300 B
   8B         : 2          |*                             | 16 B
   24B        : 30         |***************               | 720 B
   > 32KB     : 1          |*                             | 40.0 KiB
   total 93 objects, 41.0 KiB: 46 objects/s, 20.5 KiB/s

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn tiny_objects_may_lie_in_what_was_counted() {
        let mut shared = sample();
        shared.tiny.bytes = 0;
        let mut out = Vec::new();
        text(&mut out, &shared, &TWO_SECONDS, false);
        assert!(String::from_utf8(out).unwrap().contains("***| in 16B\n"));
    }

    #[test]
    fn lines_fit_into_eighty_columns() {
        let count = Count {
            objects: 9_999_999_999,
            bytes: u64::MAX / 4,
        };
        let huge = Allocations {
            tiny: count,
            classes: vec![(32768, count)],
            large: count,
        };
        let mut out = Vec::new();
        text(&mut out, &huge, &TWO_SECONDS, true);
        for line in String::from_utf8(out).unwrap().lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
