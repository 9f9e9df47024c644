//! A copy of this tree that may be broken.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    table::Tests,
    trial::{self, Outcome},
};

/// The copy, and where it is built.
#[derive(Debug)]
pub(crate) struct Copy {
    tree: PathBuf,
    built: PathBuf,
}

impl Copy {
    /// Of a tree as it is now, committed or not. What is already there and the same stays untouched, so that cargo need
    /// not build it again.
    pub(crate) fn of(root: &Path) -> Self {
        let place = root.join("target/mutations");
        let copy = Self {
            tree: place.join("tree"),
            built: place.join("target"),
        };
        let wanted = files(root, &["--cached", "--others", "--exclude-standard"]);
        for file in &wanted {
            let (from, to) = (root.join(file), copy.tree.join(file));
            // What git still lists and somebody has removed.
            let Ok(contents) = fs::read(&from) else {
                continue;
            };
            if fs::read(&to).is_ok_and(|there| there == contents) {
                continue;
            }
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&from, &to).unwrap();
            // It is new to cargo, whenever it was written.
            fs::File::open(&to)
                .unwrap()
                .set_modified(std::time::SystemTime::now())
                .unwrap();
        }
        for file in copy.all() {
            if !root.join(&file).exists() {
                fs::remove_file(copy.tree.join(file)).unwrap();
            }
        }
        copy
    }

    /// All files of the copy.
    fn all(&self) -> Vec<String> {
        let found = Command::new("find")
            .args([".", "-type", "f", "-printf", "%P\\n"])
            .current_dir(&self.tree)
            .output()
            .unwrap();
        let text = String::from_utf8(found.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn tree(&self) -> &Path {
        &self.tree
    }

    /// Does this while a file of the copy has another text.
    pub(crate) fn with<T>(&self, file: &Path, text: &str, act: impl FnOnce() -> T) -> T {
        assert!(file.starts_with(&self.tree), "not of the copy");
        let whole = fs::read(file).unwrap();
        fs::write(file, text).unwrap();
        let result = act();
        fs::write(file, whole).unwrap();
        result
    }

    /// Builds and runs tests in it, until one is red: which, and what came of it.
    pub(crate) fn run<'a, 't>(
        &self,
        tests: impl IntoIterator<Item = &'a Tests<'t>>,
    ) -> (Option<&'a Tests<'t>>, Outcome)
    where
        't: 'a,
    {
        let mut green = 0;
        for tests in tests {
            match trial::run(&self.tree, &self.built, tests) {
                Outcome::Green(count) => green += count,
                other => return (Some(tests), other),
            }
        }
        (None, Outcome::Green(green))
    }
}

/// Files that git knows, or would.
fn files(root: &Path, options: &[&str]) -> Vec<String> {
    let listed = Command::new("git")
        .arg("ls-files")
        .args(options)
        .current_dir(root)
        .output()
        .unwrap();
    assert!(listed.status.success(), "no git here");
    let text = String::from_utf8(listed.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}
