//! Where C calls Go: `runtime.cgocallback`, which joins two pieces of a goroutine's stack.

use std::ops::Range;

use crate::go::binary::Binary;
use crate::go::elf::image::Machine;

/// `runtime.cgocallback` (runtime/asm_amd64.s).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Callback {
    /// Its code, in link-time addresses.
    pub code: Range<u64>,
    /// Bytes of its frame, without the return address.
    pub frame: u32,
}

/// That of a program. `None`: it has none, as without C code, or is for a machine on which the frame looks otherwise.
pub fn of(binary: &Binary) -> Option<Callback> {
    if binary.image().machine() != Machine::X86_64 {
        return None;
    }
    let functions = binary.functions();
    let named = functions.by_name("runtime.cgocallback");
    let function = named.first()?;
    // It has the same frame wherever it calls. By how much the stack pointer was moved is less while it is being made.
    let depths =
        (function.entry..function.end).filter_map(|pc| functions.stack_depth(function, pc));
    Some(Callback {
        code: function.entry..function.end,
        frame: u32::try_from(depths.max()?).ok()?,
    })
}
