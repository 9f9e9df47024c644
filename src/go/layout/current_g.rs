//! Where a thread keeps the g that runs on it, told from the runtime's own code.
//!
//! In Go's functions it is in a register (cmd/compile/abi-internal.md), but not in assembly, in C code or in the vDSO. On
//! x86-64 every thread also keeps it in thread-local memory, at a distance from the thread pointer that the linker
//! decides: -8 in an ordinary program, others in a static C program or a shared library, where the loader writes it into
//! a word. The runtime's assembly reads it there when it switches stacks (`get_tls`, runtime/asm_amd64.s). On arm64 the
//! register is the one place in a program without C.

use crate::go::binary::Binary;
use crate::go::elf::image::Machine;
use crate::go::isa::amd64::thread_local::{self, Distance};

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurrentG {
    /// In the register that Go keeps for it.
    Register,
    /// In memory of the thread.
    ThreadLocal(Distance),
}

/// Functions that read it from there, in all versions (runtime/asm_amd64.s; `gogo` is the file's own).
const READERS: [&str; 4] = [
    "gogo",
    "runtime.systemstack",
    "runtime.mcall",
    "runtime.morestack",
];

/// `None`: it cannot be told, or the functions do not agree.
pub fn of(binary: &Binary) -> Option<CurrentG> {
    let image = binary.image();
    if image.machine() == Machine::Aarch64 {
        return Some(CurrentG::Register);
    }
    let functions = binary.functions();
    let readers = READERS.iter().flat_map(|name| functions.by_name(name));
    let mut said = readers
        .filter_map(|function| thread_local::first_access(function.code(image)?, function.entry));
    let first = said.next()?;
    said.all(|other| other == first)
        .then_some(CurrentG::ThreadLocal(first))
}
