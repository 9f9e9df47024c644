//! Code that a process has besides its program's: plugins (`-buildmode=plugin`). They use the program's runtime, and each
//! brings a function table of its own, as the runtime has it in the list of modules that begins with
//! `runtime.firstmoduledata` (runtime/symtab.go, plugin.go).
//!
//! Which ones there are differs from process to process; what was read of their files is kept with the program's
//! [`Binary`]. Everywhere else their addresses are counted as if they were part of the program.

use std::ops::Range;

use super::companions;
use crate::go::binary::Binary;
use crate::go::pclntab::FuncTable;

pub use super::companions::Plugin;

/// The binaries that were read besides a program's own.
pub type Companions = companions::Companions<Binary>;

impl Companions {
    /// The link-time addresses of a plugin's Go code, counted as the program's.
    pub fn text(&self, plugin: &Plugin) -> Option<Range<u64>> {
        let text = self.get(plugin.number)?.text();
        let moved = |address: u64| address.wrapping_add(plugin.shift);
        Some(moved(text.start)..moved(text.end))
    }
}

/// The function tables of a program and of plugins.
#[derive(Debug, Clone)]
pub struct Tables<'b> {
    program: FuncTable<'b>,
    /// Each with the addresses that it knows.
    others: Vec<(Range<u64>, FuncTable<'b>)>,
    text: Range<u64>,
}

impl<'b> Tables<'b> {
    /// Of a program alone.
    pub fn new(binary: &'b Binary) -> Self {
        Self::with(binary, &[])
    }

    /// Of a program and plugins that a process has loaded.
    pub fn with(binary: &'b Binary, plugins: &[Plugin]) -> Self {
        let companions = binary.companions();
        let others = plugins.iter().filter_map(|plugin| {
            let text = companions.text(plugin)?;
            let functions = companions.get(plugin.number)?.functions();
            Some((text, functions.moved(plugin.shift)))
        });
        Self {
            program: binary.functions(),
            others: others.collect(),
            text: binary.text(),
        }
    }

    /// The table that knows an address, if one does; else the program's.
    pub fn at(&self, pc: u64) -> &FuncTable<'b> {
        let mut others = self.others.iter();
        match others.find(|(text, _)| text.contains(&pc)) {
            Some((_, functions)) => functions,
            None => &self.program,
        }
    }

    /// Whether an address lies in code of Go.
    pub fn contains(&self, pc: u64) -> bool {
        self.text.contains(&pc) || self.others.iter().any(|(text, _)| text.contains(&pc))
    }
}
