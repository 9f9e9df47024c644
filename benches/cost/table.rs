//! Medians over the rounds, as Markdown and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::observer::Account;

/// One run of one subject under one observer.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) cpu_ns: f64,
    pub(crate) wall_ns: f64,
    /// Units of work that the subject says it did.
    pub(crate) work: u64,
    pub(crate) account: Account,
}

/// All runs of one subject under one observer, a round each.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) subject: &'static str,
    pub(crate) observer: &'static str,
    pub(crate) runs: Vec<Run>,
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Case {
    fn median(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(figure).collect())
    }

    /// The ratio of a figure to that of another case, round by round.
    fn ratio(&self, to: &Self, figure: impl Fn(&Run) -> f64) -> f64 {
        let pairs = self.runs.iter().zip(&to.runs);
        median(pairs.map(|(a, b)| figure(a) / figure(b)).collect())
    }

    /// Nanoseconds of the subject's CPU time that a unit of its work costs more than unobserved.
    fn added_ns(&self, unobserved: &Self) -> f64 {
        let pairs = self.runs.iter().zip(&unobserved.runs);
        median(
            pairs
                .map(|(a, b)| (a.cpu_ns - b.cpu_ns) / a.work as f64)
                .collect(),
        )
    }
}

/// The figures of one row.
struct Row<'a> {
    case: &'a Case,
    cpu_ratio: f64,
    wall_ratio: f64,
    added_ns: f64,
    of_floor: Option<f64>,
}

/// Each case beside the unobserved one of its subject; and beside the floor, which comes before those it is for.
fn rows(cases: &[Case]) -> Vec<Row<'_>> {
    let Some(mut unobserved) = cases.first() else {
        return Vec::new();
    };
    let mut floor: Option<&Case> = None;
    let mut rows = Vec::new();
    for case in cases {
        if case.observer == "nobody" {
            unobserved = case;
            floor = None;
        }
        let added_ns = case.added_ns(unobserved);
        let is_floor = case.observer.starts_with("empty");
        if is_floor {
            floor = Some(case);
        }
        let of_floor = floor
            .filter(|_| !is_floor)
            .map(|it| added_ns / it.added_ns(unobserved));
        rows.push(Row {
            case,
            cpu_ratio: case.ratio(unobserved, |run| run.cpu_ns),
            wall_ratio: case.ratio(unobserved, |run| run.wall_ns),
            added_ns,
            of_floor,
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
            .map_or_else(String::new, |it| format!("{it} of {}", last.work));
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
            "| {} | {} | {:.2} × | {:.2} × | {:.0} ns | {of_floor} | {counted} | {} | {} | {peak} |",
            row.case.subject,
            row.case.observer,
            row.cpu_ratio,
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
            json!({
                "cpu_ns": run.cpu_ns, "wall_ns": run.wall_ns, "work": run.work, "hits": hits, "lost": lost,
                "counted": counted, "own_cpu_s": cpu_s, "own_peak_kib": peak_kib,
            })
        };
        json!({
            "work": row.case.subject, "observer": row.case.observer, "cpu_ratio": row.cpu_ratio,
            "wall_ratio": row.wall_ratio, "added_ns_per_unit": row.added_ns, "of_floor": row.of_floor,
            "runs": row.case.runs.iter().map(run).collect::<Vec<_>>(),
        })
    };
    rows(cases).into_iter().map(of).collect()
}
