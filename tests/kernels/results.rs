//! What came of the whole matrix: tests/kernels/results.tsv, and the table that docs/kernels.md has of it.

use std::{collections::BTreeMap, env, fs, sync::Mutex};

use crate::{
    cells::{self, Kernel},
    common::{Build, Toolchain},
};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/kernels.md");
/// Between these lines docs/kernels.md has the table.
const MARKS: [&str; 2] = [
    "<!-- kernels: made by make test-kernels -->",
    "<!-- kernels end -->",
];

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernels/results.tsv");

/// One line of the file.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Architecture, series and flavour of the kernel; Go version; build.
    key: [String; 5],
    /// The kernel's release.
    release: String,
    /// `pass`, `fail` or `none`, and how many checks passed, or why there is none.
    verdict: String,
}

/// Whether this run is the whole matrix: `GRTMON_TEST_KERNELS=full`.
pub(crate) fn whole_matrix() -> bool {
    env::var("GRTMON_TEST_KERNELS").is_ok_and(|it| it == "full")
}

/// The Go versions of this run, if they were picked from the matrix: `GRTMON_TEST_GO=1.19,1.27.3`.
pub(crate) fn picked() -> Option<String> {
    env::var("GRTMON_TEST_GO").ok()
}

/// Whether the results of this run are to be kept: those of the whole matrix, and with `GRTMON_TEST_KERNELS=record`
/// those of the slice.
fn recording() -> bool {
    picked().is_none() && whole_matrix()
        || env::var("GRTMON_TEST_KERNELS").is_ok_and(|it| it == "record")
}

impl Cell {
    /// A kernel that cannot be had.
    pub(crate) fn missing(kernel: &Kernel, why: &str) -> Self {
        Self {
            key: key(kernel, "-", "-"),
            release: "-".to_owned(),
            verdict: format!("none: {}", why.trim_start_matches("setup: ")),
        }
    }

    /// What came of the checks of one program on one kernel.
    pub(crate) fn of(
        kernel: &Kernel,
        release: &str,
        toolchain: &Toolchain,
        build: Build,
        passed: usize,
        all: usize,
    ) -> Self {
        let word = if passed == all { "pass" } else { "fail" };
        Self {
            key: key(kernel, &toolchain.version, &build.name()),
            release: release.to_owned(),
            verdict: format!("{word}: {passed} of {all} checks"),
        }
    }
}

fn key(kernel: &Kernel, go: &str, build: &str) -> [String; 5] {
    let flavour = [kernel.flavour, kernel.arguments].join(" ");
    [
        kernel.arch.debian,
        kernel.series,
        flavour.trim_end(),
        go,
        build,
    ]
    .map(str::to_owned)
}

/// Keeps them in the file, in the place of what it had of this kernel.
pub(crate) fn record(cells: &[Cell]) {
    static WRITING: Mutex<()> = Mutex::new(());
    if !recording() {
        return;
    }
    let _guard = WRITING.lock().unwrap_or_else(|it| it.into_inner());
    let mut lines: BTreeMap<String, String> = read()
        .lines()
        .skip(1)
        .filter_map(|line| {
            let key: Vec<&str> = line.split('\t').take(5).collect();
            let same = cells.iter().any(|cell| cell.key[..3] == key[..3]);
            (!same).then(|| (key.join("\t"), line.to_owned()))
        })
        .collect();
    for cell in cells {
        let key = cell.key.join("\t");
        let line = format!("{key}\t{}\t{}", cell.release, cell.verdict);
        lines.insert(key, line);
    }
    let mut text = "arch\tkernel\tflavour\tgo\tbuild\trelease\tverdict\n".to_owned();
    for line in lines.values() {
        text.push_str(line);
        text.push('\n');
    }
    fs::write(FILE, text).unwrap();
}

fn read() -> String {
    fs::read_to_string(FILE).unwrap_or_default()
}

/// The results as docs/kernels.md shows them: a line for each kernel.
fn table() -> String {
    let mut rows: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for line in read().lines().skip(1) {
        let [arch, series, flavour, go, build, release, verdict] =
            line.split('\t').collect::<Vec<_>>()[..]
        else {
            panic!("{FILE}: {line}");
        };
        let shown = if release == "-" {
            format!("{series} {flavour}")
        } else {
            let options = flavour.split_once(' ').map(|(_, options)| options);
            format!("{release} {}", options.unwrap_or_default())
        };
        let row = [arch, shown.trim_end(), verdict].map(str::to_owned);
        let program = if go == "-" {
            "-".to_owned()
        } else {
            format!("{go} {build}")
        };
        rows.entry(row.to_vec()).or_default().push(program);
    }
    let mut table =
        "| machine | Debian's kernel | Go programs | result |\n|---|---|---|---|\n".to_owned();
    for (row, programs) in rows {
        table += &format!(
            "| {} | {} | {} | {} |\n",
            row[0],
            row[1],
            programs.join(", "),
            row[2]
        );
    }
    table
}

/// Fails if the file has not what the whole matrix comes to today: every kernel, every program on it, every check of that.
pub(crate) fn compare_with_plan() {
    let text = read();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .map(|it| it.split('\t').collect())
        .collect();
    let mut planned = 0;
    for (name, kernel) in cells::kernels() {
        let [arch, series, flavour, ..] = key(&kernel, "", "");
        let of_kernel = rows
            .iter()
            .filter(|row| row[..3] == [&arch, &series, &flavour]);
        let of_kernel: Vec<_> = of_kernel.collect();
        let checked = |go: &str, build: Build, is_newest: bool| {
            let count = kernel.checks(is_newest, true).len();
            let end = format!(" of {count} checks");
            let is_it = |row: &&&Vec<&str>| {
                let version = row[3].strip_prefix(go);
                version.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    && row[4] == build.name()
                    && row[6].ends_with(&end)
            };
            assert!(
                of_kernel.iter().any(|row| is_it(&row)),
                "{name}: nothing of Go {go} with {count} checks in {FILE}: make test-kernels"
            );
        };
        let older: &[(&str, Build)] = match kernel.has_older_programs() {
            true => &cells::OLDER,
            false => &[],
        };
        for (go, build) in older {
            checked(go, *build, false);
        }
        // Whichever was the newest.
        let newest = of_kernel.last().map_or("none", |row| row[3]);
        checked(newest, Build::STRIPPED_PIE, true);
        planned += older.len() + 1;
    }
    assert_eq!(rows.len(), planned, "{FILE} has more than is checked");
}

/// Fails if docs/kernels.md has another table; `GRTMON_DOCS=write` puts it there.
pub(crate) fn compare_with_docs() {
    let docs = fs::read_to_string(DOCS).unwrap();
    let [begin, end] = MARKS.map(|mark| docs.find(mark).expect(mark));
    let begin = begin + MARKS[0].len();
    let wanted = format!("\n{}", table());
    if env::var("GRTMON_DOCS").is_ok_and(|it| it == "write") {
        let new = [&docs[..begin], &wanted, &docs[end..]].concat();
        fs::write(DOCS, new).unwrap();
        return;
    }
    assert_eq!(
        docs[begin..end],
        wanted,
        "write it anew: GRTMON_DOCS=write cargo test --test kernels docs"
    );
}
