//! The words of code addresses, looked up once each.

use std::collections::HashMap;

use crate::go::Binary;
use crate::render::goroutine::Names;

/// Names of one binary's functions and lines.
#[derive(Debug)]
pub(super) struct NameCache {
    functions: HashMap<u64, Option<String>>,
    sites: HashMap<u64, Option<(String, u32)>>,
    with_addresses: bool,
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

    /// The function that begins at, or contains, a link-time address.
    pub(super) fn function(&mut self, binary: &Binary, pc: u64) -> Option<&str> {
        let with_address = self.with_addresses;
        self.functions
            .entry(pc)
            .or_insert_with(|| {
                let name = binary.functions().at(pc)?.name;
                Some(if with_address {
                    format!("{name}@{pc:x}")
                } else {
                    name.to_owned()
                })
            })
            .as_deref()
    }

    /// Both words of an event.
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
        Names {
            function: start.and_then(|pc| self.functions.get(&pc)?.as_deref()),
            created_at: created
                .and_then(|pc| self.sites.get(&pc)?.as_ref())
                .map(|(file, line)| (file.as_str(), *line)),
        }
    }
}
