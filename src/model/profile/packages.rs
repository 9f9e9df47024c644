//! Which package a function of a profile belongs to.

use std::collections::{BTreeMap, HashMap};

use super::{Function, Profile};

/// What stands for the package of assembly that does not tell it, if nothing else of its directory is in the profile.
const NO_PACKAGE: &str = "[assembly]";

/// The packages whose functions are in a profile.
#[derive(Default)]
pub(super) struct Packages<'p> {
    /// By directory, the one that most functions there belong to: some bear the name of another, for which they are made
    /// (`sync.runtime_Semacquire`, runtime/sema.go).
    by_directory: HashMap<&'p str, &'p str>,
}

impl<'p> Packages<'p> {
    pub(super) fn of(profile: &'p Profile) -> Self {
        let mut counts: HashMap<&str, BTreeMap<&str, usize>> = HashMap::new();
        for function in profile.functions() {
            if let (Some(package), Some(directory)) = (package(&function.name), directory(function))
            {
                let packages = counts.entry(directory).or_default();
                *packages.entry(package).or_default() += 1;
            }
        }
        let most = counts.into_iter().filter_map(|(directory, packages)| {
            let (package, _) = packages.into_iter().max_by_key(|(_, count)| *count)?;
            Some((directory, package))
        });
        Self {
            by_directory: most.collect(),
        }
    }

    /// The one that a function belongs to. Assembly has names without (`gogo`, `crosscall2`): there its file tells.
    pub(super) fn package(&self, function: &'p Function) -> &'p str {
        if let Some(package) = package(&function.name) {
            return package;
        }
        // Words in place of a function.
        let Some(directory) = directory(function) else {
            return &function.name;
        };
        let known = self.by_directory.get(directory);
        known.copied().unwrap_or(NO_PACKAGE)
    }
}

fn directory(function: &Function) -> Option<&str> {
    let (directory, _) = function.file.rsplit_once('/')?;
    Some(directory)
}

/// The package in a function's name: what comes before the first dot after the last slash. Dots and slashes of type
/// arguments do not count.
fn package(name: &str) -> Option<&str> {
    let plain = name.split('[').next().unwrap_or_default();
    let last = plain.rfind('/').map_or(0, |at| at + 1);
    let dot = plain.get(last..)?.find('.')?;
    plain.get(..last + dot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::sample;

    #[test]
    fn packages_are_told_from_names() {
        for (name, expected) in [
            ("main.main", Some("main")),
            ("net/http.(*conn).serve", Some("net/http")),
            (
                "gopkg.in/yaml%2ev3.(*parser).parse",
                Some("gopkg.in/yaml%2ev3"),
            ),
            ("slices.Sort[go.shape.struct { a/b.C }]", Some("slices")),
            ("[3 frames elided]", None),
            ("memmove", None),
        ] {
            assert_eq!(package(name), expected);
        }
    }

    #[test]
    fn assembly_belongs_where_its_file_is() {
        let mut profile = sample::heap();
        for (name, file) in [
            ("gogo", "/go/src/runtime/asm_amd64.s"),
            ("runtime.mcall", "/go/src/runtime/asm_amd64.s"),
            ("runtime.park_m", "/go/src/runtime/proc.go"),
            ("sync.runtime_Semacquire", "/go/src/runtime/sema.go"),
            ("crosscall2", "/go/src/runtime/cgo/asm_amd64.s"),
            ("[vdso]", ""),
        ] {
            profile.function(name, file);
        }
        let packages = Packages::of(&profile);
        let all = profile.functions().iter().skip(4);
        let all: Vec<&str> = all.map(|it| packages.package(it)).collect();
        let expected = [
            "runtime",
            "runtime",
            "runtime",
            "sync",
            "[assembly]",
            "[vdso]",
        ];
        assert_eq!(all, expected);
    }
}
