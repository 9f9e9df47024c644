//! Whether frame pointers lead to a goroutine's callers.

use crate::go::binary::Binary;
use crate::go::elf::image::Machine;

/// Whether they are right wherever the stack was moved to (runtime/stack.go, `adjustframe`): Go 1.19 adjusts them on
/// x86-64 only, Go 1.21 on ARM too.
pub fn are_kept(binary: &Binary) -> bool {
    binary.image().machine() == Machine::X86_64 || binary.version_range().oldest >= 21
}
