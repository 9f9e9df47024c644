//! The words of code addresses, looked up once each.

use std::collections::HashMap;

use crate::go::Binary;
use crate::go::printed;
use crate::go::wrapped;
use crate::render::goroutine::Names;

/// Names of one binary's functions and lines.
#[derive(Debug)]
pub(super) struct NameCache {
    functions: HashMap<u64, Option<FunctionName>>,
    sites: HashMap<u64, Option<(String, u32)>>,
    with_addresses: bool,
}

#[derive(Debug)]
struct FunctionName {
    /// As in the function table.
    own: String,
    /// For people: what a wrapper stands for, with the address if that is wanted.
    shown: String,
}

impl FunctionName {
    fn of(binary: &Binary, pc: u64, with_address: bool) -> Option<Self> {
        let function = binary.functions().at(pc)?;
        let name = wrapped::wrapped(binary, &function).unwrap_or(function.name);
        let name = printed::for_print(name);
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
    pub(super) fn new(with_addresses: bool) -> Self {
        Self {
            functions: HashMap::new(),
            sites: HashMap::new(),
            with_addresses,
        }
    }

    /// What the function that begins at a link-time address is called, for people.
    pub(super) fn function(&mut self, binary: &Binary, pc: u64) -> Option<&str> {
        let with_address = self.with_addresses;
        self.functions
            .entry(pc)
            .or_insert_with(|| FunctionName::of(binary, pc, with_address))
            .as_ref()
            .map(|name| name.shown.as_str())
    }

    /// The words of an event.
    pub(super) fn of(
        &mut self,
        binary: &Binary,
        start: Option<u64>,
        created: Option<u64>,
    ) -> Names<'_> {
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
