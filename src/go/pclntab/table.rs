//! A view of the function table: functions by number, name and address, and the values that instructions have.

use crate::go::elf::image::Image;
use crate::go::pclntab::header::{Format, Header};
use crate::go::pclntab::names::NameIndex;

/// No function name is longer (the longest seen, of generic closures, have a few thousand bytes).
const MAX_NAME: usize = 1 << 16;

/// A view of a binary's function table. Cheap to make and to copy.
#[derive(Clone, Copy, Debug)]
pub struct FuncTable<'i> {
    pub(in crate::go) image: &'i Image,
    pub(in crate::go) format: Format,
    pub(in crate::go) quantum: u8,
    text: u64,
    pub(in crate::go) funcdata: Option<u64>,
    pub(in crate::go) names: &'i [u8],
    units: &'i [u8],
    files: &'i [u8],
    pub(in crate::go) pcs: &'i [u8],
    pub(super) functions: &'i [u8],
    count: usize,
    pub(super) index: &'i NameIndex,
}

/// One function of the table: a Go function, an assembly function, or a compiler-made wrapper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function<'i> {
    /// Full name as Go prints it, for example `main.(*T).Work` or `main.main.func1`.
    pub name: &'i str,
    /// Link-time address of its first instruction.
    pub entry: u64,
    /// Link-time address of the next function: padding may lie before it.
    pub end: u64,
    /// Where its record begins in the part of the table that holds the records.
    pub(in crate::go) record: usize,
}

impl<'i> Function<'i> {
    /// Its machine code with the padding behind it; `None` if the file does not hold it.
    pub fn code(&self, image: &'i Image) -> Option<&'i [u8]> {
        image.slice(
            self.entry,
            usize::try_from(self.end.checked_sub(self.entry)?).ok()?,
        )
    }
}

/// See [`FuncTable::marks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Nothing has called it (`FuncFlagTopFrame`).
    pub is_top: bool,
    /// It sets the stack pointer as the table does not tell (`FuncFlagSPWrite`).
    pub sets_sp: bool,
}

/// A place in the source code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceLine<'i> {
    /// File name as recorded: absolute, or relative to a module (`-trimpath`).
    pub file: &'i str,
    /// Line number, from 1.
    pub line: u32,
}

impl<'i> FuncTable<'i> {
    /// A view of the table that `header` describes. `text` is the address that entry offsets count from; `funcdata`
    /// the one that funcdata offsets count from (`moduledata.gofunc`): without it inlining is unknown.
    pub(in crate::go) fn new(
        image: &'i Image,
        header: &Header,
        text: u64,
        funcdata: Option<u64>,
        index: &'i NameIndex,
    ) -> Self {
        let all = image.slice_from(header.vaddr).unwrap_or_default();
        let part = |from: usize, to: usize| all.get(from..to).unwrap_or_default();
        Self {
            image,
            format: header.format,
            quantum: header.quantum,
            text,
            funcdata,
            names: part(header.names, header.units),
            units: part(header.units, header.files),
            files: part(header.files, header.pcs),
            pcs: part(header.pcs, header.functions),
            functions: part(header.functions, header.end.unwrap_or(all.len())),
            count: header.count,
            index,
        }
    }

    /// The same with addresses that are so much higher, modulo 2⁶⁴.
    pub(in crate::go) fn moved(self, by: u64) -> Self {
        Self {
            text: self.text.wrapping_add(by),
            ..self
        }
    }

    /// How many functions the table has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the table has no function at all.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All functions by ascending address. Entries that are damaged are left out.
    pub fn iter(&self) -> impl Iterator<Item = Function<'i>> + use<'i> {
        let table = *self;
        (0..table.count).filter_map(move |i| table.believed(table.nth(i)?))
    }

    /// The functions of that name, by ascending address. There can be several: a Go function and the wrapper through
    /// which assembly code calls it (or the reverse) bear the same name.
    pub fn by_name(&self, name: &str) -> Vec<Function<'i>> {
        if name.is_empty() || name.len() > MAX_NAME {
            return Vec::new();
        }
        let offset_of = |i: usize| self.u32_at(self.record(i)?.checked_add(4)?);
        let offsets = self.index.offsets(self.names, name).into_iter();
        let mut found: Vec<_> = offsets
            .filter_map(|at| self.index.function(at, self.count, offset_of))
            .filter_map(|i| self.nth(i))
            .collect();
        found.sort_by_key(|function| function.entry);
        self.believed(found).unwrap_or_default()
    }

    /// What was read of the table; `None` if some of it was not there any more.
    pub(super) fn believed<T>(&self, read: T) -> Option<T> {
        (!self.image.is_cut()).then_some(read)
    }

    /// The function that holds the instruction at a link-time address.
    pub fn at(&self, pc: u64) -> Option<Function<'i>> {
        let offset = u32::try_from(pc.checked_sub(self.text)?).ok()?;
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry_offset(middle)? <= offset {
                low = middle + 1
            } else {
                high = middle
            }
        }
        let function = self.nth(low.checked_sub(1)?)?;
        self.believed(function)
            .filter(|function| function.entry <= pc && pc < function.end)
    }

    /// The source line of the instruction at a link-time address: the innermost one if functions have been inlined.
    /// For a return address ask for the address before it.
    pub fn line(&self, pc: u64) -> Option<SourceLine<'i>> {
        self.line_in(&self.at(pc)?, pc)
    }

    /// The number that marks functions of which the runtime must know: wrappers, `runtime.goexit` and the like
    /// (`_func.funcID`, runtime/runtime2.go).
    pub fn id(&self, function: &Function<'i>) -> Option<u8> {
        self.u8_at(function.record.checked_add(self.format.func_id())?)
    }

    /// The line on which the function's source begins; 0 if it is not known, as before Go 1.20 (`_func.startLine`).
    pub fn start_line(&self, function: &Function<'i>) -> u32 {
        let at = self.format.start_line();
        let at = at.and_then(|at| function.record.checked_add(at));
        at.and_then(|at| self.u32_at(at))
            .map_or(0, |line| u32::try_from(line.cast_signed()).unwrap_or(0))
    }

    /// What marks functions that walks up the stack must know (`_func.flag`, runtime/symtab.go; since Go 1.21
    /// internal/abi/symtab.go); the bits have been the same since Go 1.17.
    pub fn marks(&self, function: &Function<'i>) -> Marks {
        let at = function.record.checked_add(self.format.func_id() + 1);
        let flag = at.and_then(|at| self.u8_at(at)).unwrap_or(0);
        Marks {
            is_top: flag & 1 != 0,
            sets_sp: flag & 2 != 0,
        }
    }

    /// [`FuncTable::line`] when the function is known already.
    pub(in crate::go) fn line_in(
        &self,
        function: &Function<'i>,
        pc: u64,
    ) -> Option<SourceLine<'i>> {
        let file = self.value(function, self.format.pcfile(), pc)?;
        let line = self.value(function, self.format.pcln(), pc)?;
        self.believed(SourceLine {
            file: self.file(function, file)?,
            line: u32::try_from(line).ok()?,
        })
    }

    /// By how many bytes the stack pointer lies below where it was at the function's entry, before the instruction at
    /// `pc` (`funcspdelta` of runtime/symtab.go). `None` if that is not known, as in assembly that switches stacks.
    pub fn stack_depth(&self, function: &Function<'i>, pc: u64) -> Option<u64> {
        self.believed(u64::try_from(self.value(function, self.format.pcsp(), pc)?).ok()?)
    }

    /// The value at `pc` of the per-instruction table whose offset lies at `field` in the function's record.
    fn value(&self, function: &Function<'i>, field: usize, pc: u64) -> Option<i32> {
        self.value_of_table(
            function,
            self.u32_at(function.record.checked_add(field)?)?,
            pc,
        )
    }

    /// The value at `pc` of the per-instruction table at `table`; 0 means that there is none.
    pub(in crate::go) fn value_of_table(
        &self,
        function: &Function<'i>,
        table: u32,
        pc: u64,
    ) -> Option<i32> {
        if table == 0 {
            return None;
        }
        let table = self.pcs.get(usize::try_from(table).ok()?..)?;
        let size = function.end.checked_sub(function.entry)?;
        super::pcvalue::value_at(table, pc.checked_sub(function.entry)?, size, self.quantum)
    }

    /// A file by its number in the function's compilation unit.
    fn file(&self, function: &Function<'i>, number: i32) -> Option<&'i str> {
        let unit = self.u32_at(function.record.checked_add(self.format.unit())?)?;
        let index =
            usize::try_from(u64::from(unit).checked_add(u64::try_from(number).ok()?)?).ok()?;
        let offset = self.units.get(index.checked_mul(4)?..)?.get(..4)?;
        let offset = u32::from_le_bytes(offset.try_into().ok()?);
        string(self.files, usize::try_from(offset).ok()?)
    }

    /// Whether there are functions, or were before the linker left them out, of a source file of that name in whatever
    /// folder.
    pub(in crate::go) fn has_file(&self, name: &str) -> bool {
        let ending = format!("/{name}\0");
        memchr::memmem::find(self.files, ending.as_bytes()).is_some()
    }

    /// A function name by its offset.
    pub(in crate::go) fn name(&self, offset: usize) -> Option<&'i str> {
        string(self.names, offset)
    }

    fn nth(&self, i: usize) -> Option<Function<'i>> {
        let function = self.nth_unnamed(i)?;
        let name = self.name(self.name_offset(function.record)?)?;
        Some(Function { name, ..function })
    }

    pub(super) fn nth_unnamed(&self, i: usize) -> Option<Function<'i>> {
        let record = self.record(i)?;
        let address = |i| self.text.checked_add(u64::from(self.entry_offset(i)?));
        let (entry, end) = (address(i)?, address(i + 1)?);
        if end < entry {
            return None;
        }
        Some(Function {
            name: "",
            entry,
            end,
            record,
        })
    }

    fn entry_offset(&self, i: usize) -> Option<u32> {
        self.u32_at(i.checked_mul(8)?)
    }

    fn record(&self, i: usize) -> Option<usize> {
        usize::try_from(self.u32_at(i.checked_mul(8)?.checked_add(4)?)?).ok()
    }

    fn name_offset(&self, record: usize) -> Option<usize> {
        usize::try_from(self.u32_at(record.checked_add(4)?)?).ok()
    }

    /// A byte of the last part.
    pub(in crate::go) fn u8_at(&self, offset: usize) -> Option<u8> {
        self.functions.get(offset).copied()
    }

    /// A word of the last part: the array of functions and their records.
    pub(in crate::go) fn u32_at(&self, offset: usize) -> Option<u32> {
        Some(u32::from_le_bytes(
            self.functions
                .get(offset..offset.checked_add(4)?)?
                .try_into()
                .ok()?,
        ))
    }
}

/// The NUL-terminated string at an offset.
fn string(table: &[u8], offset: usize) -> Option<&str> {
    let rest = table.get(offset..)?;
    let rest = rest.get(..rest.len().min(MAX_NAME))?;
    std::str::from_utf8(rest.get(..memchr::memchr(0, rest)?)?).ok()
}
