//! What reading the memory of any process of one binary takes: where the runtime's variables lie and how they are built.
//!
//! It is found out once per binary; a [`ProcessView`] is one process of it.

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::go::binary::Binary;
use crate::go::binary::implied::VersionRange;
use crate::go::binary::plugins::{Companions, Plugin};
use crate::go::elf::image::Image;
use crate::go::layout::evidence;
use crate::go::layout::globals::Globals;
use crate::go::layout::{Field, Layout};
use crate::go::memory::{MemoryError, ReadMemory};
use crate::go::process::verify::{self, Report};
use crate::go::site::allocators;
use crate::go::site::runtime_functions::Runtime;

/// Functions that are started once, when the program begins (runtime/proc.go, mgc.go). The main goroutine can end before
/// the program does, by runtime.Goexit, or in a library of a C program; the others never do.
const STARTED_ONCE: [&str; 6] = [
    "runtime.main",
    "runtime.forcegchelper",
    "runtime.gcenable.gowrap1",
    "runtime.gcenable.gowrap2",
    "runtime.gcenable.func1",
    "runtime.gcenable.func2",
];

/// The function that the linker looks for before it switches the profile of memory off: until Go 1.22, and since.
const MEMORY_PROFILES: [&str; 2] = ["runtime.MemProfile", "runtime.memProfileInternal"];

/// The runtime's variables and structures in one binary.
#[derive(Debug, Clone)]
pub struct RuntimeInfo {
    /// Offsets and sizes.
    pub layout: Layout,
    /// Link-time addresses.
    pub globals: Globals,
    /// Link-time address of the program's first instruction.
    pub entry: u64,
    /// Link-time address of the end of the program's code.
    pub code_end: u64,
    /// The N of Go 1.N, if the binary says or implies it; at least that if it may be newer than all that is known.
    pub minor: Option<u16>,
    /// Link-time addresses of the Go code.
    pub text: Range<u64>,
    /// Link-time addresses of the functions that are started once, in the beginning: `runtime.main` and what it starts for
    /// the runtime.
    pub main: Vec<u64>,
    /// Whether anything in the program may ask for the profile of memory; where nothing does, the linker has switched it off
    /// (`disableMemoryProfiling`, cmd/link).
    pub keeps_memory_profile: bool,
    /// Whether objects with pointers say of which type they are, if they are not small.
    pub has_headers: bool,
    /// Whether maps consist of tables, as they do since Go 1.24; before, of buckets.
    pub has_map_tables: bool,
    /// Link-time address of `runtime.firstmoduledata`.
    pub moduledata: Option<u64>,
    /// Whether the program is loaded elsewhere than at its link-time addresses.
    pub is_pie: bool,
    /// Whether the program can load plugins.
    pub loads_plugins: bool,
    /// Where what was read of them is kept.
    pub companions: Arc<Companions>,
    /// The plugins of the process that this is about.
    pub plugins: Vec<Plugin>,
}

impl RuntimeInfo {
    /// Finds everything out. Takes some milliseconds, and more if the binary has DWARF.
    pub fn of(binary: &Binary) -> Self {
        Self::of_runtime(&Runtime::of(binary))
    }

    /// The same where the functions of the runtime are known already.
    pub fn of_runtime(runtime: &Runtime<'_>) -> Self {
        let binary = runtime.binary();
        let image: &Image = binary.image();
        let globals = Globals::of(runtime);
        let mut layout = Layout::of(binary);
        if layout.dwarf_problem().is_some() {
            read_code(&mut layout, runtime, &globals);
            image.release_all();
        }
        Self {
            layout,
            globals,
            text: binary.text(),
            main: STARTED_ONCE
                .iter()
                .flat_map(|name| runtime.entries(name))
                .collect(),
            keeps_memory_profile: MEMORY_PROFILES
                .iter()
                .any(|name| !runtime.entries(name).is_empty()),
            has_headers: allocators::has_headers(runtime),
            // What moves buckets from an old array to a new one (runtime/map.go, map_noswiss.go).
            has_map_tables: runtime.entries("runtime.evacuate").is_empty(),
            moduledata: binary.moduledata().map(|it| it.vaddr),
            entry: image.entry(),
            code_end: image.code_end(),
            minor: minor(binary.version_range()),
            is_pie: image.is_pie(),
            loads_plugins: binary.loads_plugins(),
            companions: Arc::clone(binary.companions()),
            plugins: Vec::new(),
        }
    }

    /// Holds the layout against a process that runs the binary: what is wrong becomes unknown, what was merely assumed
    /// (see [`Layout::is_assumed`]) and holds becomes known.
    pub fn settle(&mut self, memory: &dyn ReadMemory, bias: u64) -> Report {
        let live = verify::Examined {
            memory,
            globals: &self.globals,
            bias,
            code: self.code(),
            main: self.main.clone(),
        };
        verify::settle(&mut self.layout, &live)
    }

    /// Link-time addresses of all Go code in the process, that of plugins counted as the program's.
    fn code(&self) -> Vec<Range<u64>> {
        let plugins = self.plugins.iter();
        let others = plugins.filter_map(|plugin| self.companions.text(plugin));
        std::iter::once(self.text.clone()).chain(others).collect()
    }

    /// Notes all that the code says, also where DWARF says it already.
    pub fn ask_code(&mut self, runtime: &Runtime<'_>) {
        let found = evidence::derive(runtime, &self.globals, &self.layout);
        self.layout.note(found);
    }

    /// What to add to a link-time address to get the live one, given where the process was entered (`AT_ENTRY` of its
    /// auxiliary vector, getauxval(3)).
    pub fn bias(&self, entered_at: u64) -> u64 {
        if self.is_pie {
            entered_at.wrapping_sub(self.entry)
        } else {
            0
        }
    }
}

/// Takes what the code says into the layout of a binary without DWARF. Where it agrees with what was measured of this version,
/// as it nearly always does, not all that it says need be heard.
fn read_code(layout: &mut Layout, runtime: &Runtime<'_>, globals: &Globals) {
    if !layout.has_gaps()
        && let Some(found) = evidence::agrees(runtime, globals, layout)
    {
        return layout.read_in_code(found, &evidence::Doubts::new());
    }
    let ask = |layout: &Layout| evidence::derive_with_doubts(runtime, globals, layout);
    let (mut found, mut doubts) = ask(layout);
    let machine = runtime.binary().image().machine();
    if layout.has_gaps() && layout.fit(machine, &found, &doubts) {
        (found, doubts) = ask(layout);
    }
    layout.read_in_code(found, &doubts);
}

fn minor(range: VersionRange) -> Option<u16> {
    let is_one = range.newest.is_none_or(|newest| newest == range.oldest);
    is_one.then_some(range.oldest)
}

/// Why something could not be read from a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// Its memory was not readable there.
    Memory(MemoryError),
    /// What it takes is not known of this binary: one clause.
    Unknown(String),
    /// What was read cannot be what it is taken for: one clause. Nothing that depends on it may be used.
    Implausible(String),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Memory(why) => why.fmt(f),
            ReadError::Unknown(why) => f.write_str(why),
            ReadError::Implausible(why) => {
                write!(f, "the process's memory does not look as expected: {why}")
            }
        }
    }
}

impl Error for ReadError {}

impl From<MemoryError> for ReadError {
    fn from(why: MemoryError) -> Self {
        ReadError::Memory(why)
    }
}

impl ReadError {
    /// Whether a later attempt cannot do better.
    pub fn is_final(&self) -> bool {
        match self {
            ReadError::Memory(why) => why.is_final(),
            ReadError::Unknown(_) => true,
            ReadError::Implausible(_) => false,
        }
    }
}

/// One process (or what is left of one) of a binary.
#[derive(Clone, Copy)]
pub struct ProcessView<'a> {
    /// Its memory.
    pub memory: &'a dyn ReadMemory,
    /// What is known of its binary.
    pub runtime_info: &'a RuntimeInfo,
    /// What to add to a link-time address, modulo 2⁶⁴, to get a live one.
    pub bias: u64,
}

impl fmt::Debug for ProcessView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessView")
            .field("bias", &self.bias)
            .finish_non_exhaustive()
    }
}

impl<'a> ProcessView<'a> {
    /// The live address of a global variable: `view.global("sched", |globals| globals.sched)`.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: it was not found in the binary.
    pub fn global(
        &self,
        name: &str,
        pick: impl Fn(&Globals) -> Option<u64>,
    ) -> Result<u64, ReadError> {
        pick(&self.runtime_info.globals)
            .map(|vaddr| vaddr.wrapping_add(self.bias))
            .ok_or_else(|| {
                ReadError::Unknown(format!(
                    "the variable runtime.{name} was not found in the binary"
                ))
            })
    }

    /// An offset, size or length.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: no value is known for this binary.
    pub fn offset(&self, field: Field) -> Result<u64, ReadError> {
        let offset = self.runtime_info.layout.require_readable(field);
        let offset = offset.map_err(|why| ReadError::Unknown(why.to_string()))?;
        Ok(u64::from(offset))
    }

    /// The same where one can do without: `None` if this version of Go does not have the field, or it is not known.
    pub fn known(&self, field: Field) -> Option<u64> {
        let offset = self.runtime_info.layout.require_readable(field);
        offset.ok().map(u64::from)
    }

    /// The address of a member of the structure at `base`.
    ///
    /// # Errors
    /// As [`offset`](Self::offset).
    pub fn member(&self, base: u64, field: Field) -> Result<u64, ReadError> {
        Ok(base.wrapping_add(self.offset(field)?))
    }
}
