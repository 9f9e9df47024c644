//! The words of code addresses, looked up once each, and the filters of names.

use std::collections::HashMap;

use regex::Regex;

use crate::go::Binary;
use crate::go::symbolize::display_name;
use crate::go::symbolize::wrapper;
use crate::model::goroutine::Names;
use crate::model::package_path::unescaped;

/// An expression for names. It finds a package by its path as people write it (`yaml.v3`), and as the linker does
/// (`yaml%2ev3`), whichever of the two a name has.
#[derive(Debug)]
pub struct NameFilter {
    given: Regex,
    /// The same without the linker's escapes, if there are any in it.
    unescaped: Option<Regex>,
}

impl NameFilter {
    /// For what somebody gave.
    pub fn new(given: &Regex) -> Self {
        let text = unescaped(given.as_str());
        Self {
            given: given.clone(),
            unescaped: (text != given.as_str())
                .then(|| Regex::new(&text).ok())
                .flatten(),
        }
    }

    /// Whether it finds a name.
    pub fn matches(&self, name: &str) -> bool {
        if self.given.is_match(name) {
            return true;
        }
        let plain = unescaped(name);
        self.given.is_match(&plain)
            || self
                .unescaped
                .as_ref()
                .is_some_and(|regex| regex.is_match(&plain))
    }
}

/// Names of one binary's functions and lines.
#[derive(Debug)]
pub struct NameCache {
    functions: HashMap<u64, Option<FunctionName>>,
    sites: HashMap<u64, Option<(String, u32)>>,
    with_addresses: bool,
}

#[derive(Debug)]
struct FunctionName {
    /// As in the function table.
    own: String,
    /// For people: what a wrapper stands for, the package's path as it is written in source, with the address if that
    /// is wanted.
    shown: String,
}

impl FunctionName {
    fn of(binary: &Binary, pc: u64, with_address: bool) -> Option<Self> {
        let function = binary.functions().at(pc)?;
        let name = wrapper::wrapped(binary, &function).unwrap_or(function.name);
        let name = display_name::for_print(name);
        let name = unescaped(&name);
        let shown = match with_address {
            true => format!("{name}@{pc:x}"),
            false => name.into_owned(),
        };
        Some(Self {
            own: function.name.to_owned(),
            shown,
        })
    }
}

impl NameCache {
    /// `with_addresses` appends each function's address to its name.
    pub fn new(with_addresses: bool) -> Self {
        Self {
            functions: HashMap::new(),
            sites: HashMap::new(),
            with_addresses,
        }
    }

    /// What the function that begins at a link-time address is called, for people.
    pub fn function(&mut self, binary: &Binary, pc: u64) -> Option<&str> {
        let with_address = self.with_addresses;
        self.functions
            .entry(pc)
            .or_insert_with(|| FunctionName::of(binary, pc, with_address))
            .as_ref()
            .map(|name| name.shown.as_str())
    }

    /// The words of an event.
    pub fn of(&mut self, binary: &Binary, start: Option<u64>, created: Option<u64>) -> Names<'_> {
        if let Some(pc) = start {
            self.function(binary, pc);
        }
        if let Some(pc) = created {
            // A return address belongs to the call before it, as in runtime.printcreatedby1 (runtime/traceback.go).
            self.sites.entry(pc).or_insert_with(|| {
                let line = binary.functions().line(pc.checked_sub(1)?)?;
                Some((line.file.to_owned(), line.line))
            });
        }
        let name = start.and_then(|pc| self.functions.get(&pc)?.as_ref());
        Names {
            function: name.map(|name| name.shown.as_str()),
            start: name.map(|name| name.own.as_str()),
            created_at: created
                .and_then(|pc| self.sites.get(&pc)?.as_ref())
                .map(|(file, line)| (file.as_str(), *line)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_however_its_path_is_written() {
        for pattern in [
            "yaml.v3",
            r"yaml\.v3",
            "yaml%2ev3",
            r"^gopkg\.in/yaml\.v3\.Unmarshal$",
        ] {
            let filter = NameFilter::new(&Regex::new(pattern).unwrap());
            for name in ["gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml.v3.Unmarshal"] {
                assert!(filter.matches(name), "{pattern} {name}");
            }
            assert!(!filter.matches("gopkg.in/yaml%2ev2.Unmarshal"), "{pattern}");
        }
    }
}
