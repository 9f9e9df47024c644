//! The table of mutations.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// One way to break the product.
#[derive(Debug)]
pub(crate) struct Mutation<'t> {
    pub(crate) name: &'t str,
    /// The end of the path of the file: files move.
    file: &'t str,
    old: String,
    new: String,
    /// Those that are to notice.
    pub(crate) tests: Vec<Tests<'t>>,
}

/// Some tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tests<'t> {
    /// The test executable; `lib` is that of the library.
    pub(crate) executable: &'t str,
    /// What their names contain.
    pub(crate) filter: &'t str,
    /// The version of Go with which they notice, if it is not any.
    pub(crate) go: Option<&'t str>,
}

impl fmt::Display for Tests<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.executable, self.filter)
    }
}

/// All of table.txt.
pub(crate) fn all() -> Vec<Mutation<'static>> {
    let entries = include_str!("table.txt").split("\n\n");
    entries.filter_map(parse).collect()
}

/// See table.txt. `None` for what is comment only.
fn parse(entry: &'static str) -> Option<Mutation<'static>> {
    let mut lines = entry
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let heading = lines.next()?;
    let split = |line: &'static str, by| {
        let pair = line.split_once(by);
        pair.unwrap_or_else(|| panic!("not a line of an entry: {line}"))
    };
    let (name, file) = split(heading, ": ");
    let (mut old, mut new, mut tests) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        match (line.get(..1), line.get(2..).unwrap_or("")) {
            (Some("-"), text) => old.push(text),
            (Some("+"), text) => new.push(text),
            (Some("?"), text) => {
                let (executable, filter) = split(text, " ");
                let (filter, go) = match filter.split_once(" go") {
                    Some((filter, version)) => (filter, Some(version)),
                    None => (filter, None),
                };
                tests.push(Tests {
                    executable,
                    filter,
                    go,
                });
            }
            _ => panic!("not a line of an entry: {line}"),
        }
    }
    assert!(
        !old.is_empty() && !tests.is_empty() && old != new,
        "{entry}"
    );
    Some(Mutation {
        name,
        file,
        old: old.join("\n"),
        new: new.join("\n"),
        tests,
    })
}

impl Mutation<'_> {
    /// The file below `root` in which it takes place, and the file's text afterwards. There must be exactly one place.
    pub(crate) fn place(&self, root: &Path) -> Result<(PathBuf, String), String> {
        let mut found = None;
        for path in sources(&root.join("src")) {
            if !path.ends_with(self.file) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            match text.matches(&self.old).count() {
                0 => {}
                1 if found.is_none() => {
                    let broken = text.replace(&self.old, &self.new);
                    found = Some((path, broken));
                }
                _ => return Err(format!("more than one place in {}", self.file)),
            }
        }
        found.ok_or_else(|| format!("its text is not in {} any more", self.file))
    }
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(sources(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all
}
