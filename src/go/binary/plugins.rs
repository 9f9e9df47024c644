//! Code that a process has besides its program's: plugins (`-buildmode=plugin`). They use the program's runtime, and each
//! brings a function table of its own, as the runtime has it in the list of modules that begins with
//! `runtime.firstmoduledata` (runtime/symtab.go, plugin.go).
//!
//! Which ones there are differs from process to process; what was read of their files is kept with the program's
//! [`Binary`]. Everywhere else their addresses are counted as if they were part of the program.

use std::ops::Range;
use std::sync::OnceLock;

use crate::go::binary::Binary;
use crate::go::pclntab::FuncTable;

/// More plugins than any program has.
const MOST: usize = 256;

/// The binaries that were read besides a program's own; ever more of them.
#[derive(Debug, Default)]
pub struct Companions {
    links: OnceLock<Box<Link>>,
}

/// One of them, and those after it.
#[derive(Debug)]
struct Link {
    /// What tells its file from others.
    key: [u64; 4],
    binary: Option<Binary>,
    next: OnceLock<Box<Link>>,
}

/// A plugin that a process has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plugin {
    /// Its number among the program's [`Companions`].
    number: usize,
    /// What to add to its link-time addresses to get those that the program's would have there, modulo 2⁶⁴.
    shift: u64,
}

impl Companions {
    /// The plugin of this file, which `read` reads if it is not known yet. It is loaded `bias` bytes above its link-time
    /// addresses, the program `program` above its own. `None` if it cannot be read, now or before.
    pub fn plugin(
        &self,
        key: [u64; 4],
        program: u64,
        bias: impl Fn(&Binary) -> Option<u64>,
        read: impl FnOnce() -> Option<Binary>,
    ) -> Option<Plugin> {
        let mut place = &self.links;
        let mut read = Some(read);
        for number in 0..MOST {
            let link = place.get_or_init(|| {
                Box::new(Link {
                    key,
                    binary: read.take().and_then(|read| read()),
                    next: OnceLock::new(),
                })
            });
            if link.key == key {
                let shift = bias(link.binary.as_ref()?)?.wrapping_sub(program);
                return Some(Plugin { number, shift });
            }
            place = &link.next;
        }
        None
    }

    fn get(&self, number: usize) -> Option<&Binary> {
        let mut link = self.links.get()?;
        for _ in 0..number {
            link = link.next.get()?;
        }
        link.binary.as_ref()
    }

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
