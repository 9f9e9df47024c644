//! Medians over the rounds, as Markdown and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::observer::Account;

/// The subject's work done once, by its own account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) cpu_ns: f64,
    pub(crate) wall_ns: f64,
    /// Units of work.
    pub(crate) work: u64,
}

/// One run of one subject under one observer.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Under observation.
    pub(crate) watched: Turn,
    /// The same without, before and afterwards, in the same process where that can be.
    pub(crate) alone: [Turn; 2],
    pub(crate) account: Account,
}

impl Run {
    /// What a unit of work takes, alone.
    fn alone(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        let per_unit = |turn: &Turn| figure(turn) / turn.work as f64;
        self.alone.iter().map(per_unit).sum::<f64>() / 2.0
    }

    fn watched(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        figure(&self.watched) / self.watched.work as f64
    }

    fn ratio(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        self.watched(&figure) / self.alone(&figure)
    }

    /// Nanoseconds of the subject's CPU time that a unit of its work costs more than unobserved.
    fn added_ns(&self) -> f64 {
        self.watched(|turn| turn.cpu_ns) - self.alone(|turn| turn.cpu_ns)
    }
}

/// All runs of one subject under one observer.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) subject: &'static str,
    pub(crate) observer: &'static str,
    pub(crate) runs: Vec<Run>,
}

/// The middle one, or what lies in the middle of the middle two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[half - 1], values[half])
    } else {
        values[half]
    }
}

/// Between which values the true median lies, 19 times of 20: as many of the measured ones lie on either side as a fair
/// coin shows heads. Of few values, the least and the greatest.
fn interval(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let rank = ((count - 1.96 * count.sqrt()) / 2.0).max(0.0) as usize;
    (values[rank], values[values.len() - 1 - rank])
}

impl Case {
    fn all(&self, figure: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }

    fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.all(figure))
    }
}

/// The figures of one row.
struct Row<'a> {
    case: &'a Case,
    cpu_ratio: f64,
    cpu_interval: (f64, f64),
    wall_ratio: f64,
    added_ns: f64,
    of_floor: Option<f64>,
}

/// Each case, beside the floor, which comes before those it is for.
fn rows(cases: &[Case]) -> Vec<Row<'_>> {
    let mut floor: Option<f64> = None;
    let mut rows = Vec::new();
    for case in cases {
        let added_ns = case.median(Run::added_ns);
        let is_floor = case.observer.starts_with("empty");
        if case.observer == "nobody" {
            floor = None;
        } else if is_floor {
            floor = Some(added_ns);
        }
        rows.push(Row {
            case,
            cpu_ratio: case.median(|run| run.ratio(|turn| turn.cpu_ns)),
            cpu_interval: interval(case.all(|run| run.ratio(|turn| turn.cpu_ns))),
            wall_ratio: case.median(|run| run.ratio(|turn| turn.wall_ns)),
            added_ns,
            of_floor: floor.filter(|_| !is_floor).map(|it| added_ns / it),
        });
    }
    rows
}

/// For people.
pub(crate) fn markdown(cases: &[Case], with_heading: bool) -> String {
    let heading = "| work | observed by | CPU time | wall time | added per unit | of the floor | counted | lost | own CPU | own memory |\n\
         |---|---|---|---|---|---|---|---|---|---|\n";
    let mut text = String::from(if with_heading { heading } else { "" });
    for row in rows(cases) {
        let last = row.case.runs.last().unwrap();
        let account = &last.account;
        let shown = |value: Option<u64>| value.map_or_else(String::new, |it| it.to_string());
        let counted = account
            .counted
            .map_or_else(String::new, |it| format!("{it} of {}", last.watched.work));
        let of_floor = row
            .of_floor
            .map_or_else(String::new, |it| format!("{it:.2}"));
        let own_cpu = row.case.runs[0].account.cpu_s.map(|_| {
            let cpu_s = row.case.median(|run| run.account.cpu_s.unwrap_or(0.0));
            format!("{cpu_s:.2} s")
        });
        let peak = account
            .peak_kib
            .map_or_else(String::new, |it| format!("{:.1} MB", it as f64 / 1024.0));
        writeln!(
            text,
            "| {} | {} | {:.2} × ({:.2}–{:.2}) | {:.2} × | {:.0} ns | {of_floor} | {counted} | {} | {} | {peak} |",
            row.case.subject,
            row.case.observer,
            row.cpu_ratio,
            row.cpu_interval.0,
            row.cpu_interval.1,
            row.wall_ratio,
            row.added_ns,
            shown(account.lost),
            own_cpu.unwrap_or_default(),
        )
        .unwrap();
    }
    text
}

/// For programs: every run, and the medians.
pub(crate) fn json(cases: &[Case]) -> Value {
    let of = |row: Row<'_>| {
        let run = |run: &Run| {
            let Account {
                hits,
                lost,
                counted,
                cpu_s,
                peak_kib,
            } = run.account;
            let turn =
                |it: &Turn| json!({ "cpu_ns": it.cpu_ns, "wall_ns": it.wall_ns, "work": it.work });
            json!({
                "watched": turn(&run.watched), "alone": run.alone.iter().map(turn).collect::<Vec<_>>(), "hits": hits,
                "lost": lost, "counted": counted, "own_cpu_s": cpu_s, "own_peak_kib": peak_kib,
            })
        };
        json!({
            "work": row.case.subject, "observer": row.case.observer, "cpu_ratio": row.cpu_ratio,
            "cpu_ratio_interval": [row.cpu_interval.0, row.cpu_interval.1],
            "wall_ratio": row.wall_ratio, "added_ns_per_unit": row.added_ns, "of_floor": row.of_floor,
            "runs": row.case.runs.iter().map(run).collect::<Vec<_>>(),
        })
    };
    rows(cases).into_iter().map(of).collect()
}
