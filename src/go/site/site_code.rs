//! Whether the code in memory at a site is still what was decoded.
//!
//! A uprobe is a breakpoint that the kernel writes over the first bytes of an instruction of the file, whatever memory holds
//! there (kernel/events/uprobes.c, `install_breakpoint`): where a process has changed its own code, that would be the middle
//! of another instruction. So what memory holds is compared first, from the function's entry on, since what a probe may
//! rely on was read from all of it.

use crate::go::elf::image::Machine;
use crate::go::isa::code::Code;
use crate::go::site::Site;

/// What memory holds at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// What was decoded.
    AsDecoded,
    /// The same, with a breakpoint on the site's instruction: a uprobe, ours or another tool's; on x86-64 it can be a
    /// debugger's as well.
    Probe,
    /// The same, with a debugger's breakpoint on the site's instruction.
    Breakpoint,
    /// Something else, first at this many bytes from the function's entry.
    Changed(u64),
}

/// The breakpoint of x86-64, `int3`: uprobes and debuggers have the same.
const INT3: u8 = 0xcc;
/// A no-op of five bytes, in place of which Linux 6.18 and later puts a call when a uprobe on it is hit
/// (arch/x86/kernel/uprobes.c, `arch_uprobe_optimize`).
const NOP5: [u8; 5] = [0x0f, 0x1f, 0x44, 0, 0];
/// The first byte of that call.
const CALL: u8 = 0xe8;
/// The instruction `brk` of ARM without its number, and the number that uprobes have (arch/arm64/include/asm/brk-imm.h,
/// `UPROBES_BRK_IMM`).
const BRK: u32 = 0xd420_0000;
const BRK_NUMBER: u32 = 0x001f_ffe0;
const BRK_UPROBE: u32 = BRK | 5 << 5;

impl Site {
    /// Compares what was read from memory at the function's entry with what was decoded. Breakpoints on other instructions
    /// do not matter: whoever set them has the instruction carried out all the same.
    pub fn compare(&self, machine: Machine, memory: &[u8]) -> Found {
        if *self.code == *memory {
            return Found::AsDecoded;
        }
        let entry = self.vaddr.wrapping_sub(self.offset);
        let code = Code::decode(machine, &self.code, entry);
        let mut at_site = Found::AsDecoded;
        for (index, instruction) in code.instructions().iter().enumerate() {
            let start = instruction.address().wrapping_sub(entry);
            let range = usize::try_from(start)
                .ok()
                .zip(usize::try_from(instruction.end() - entry).ok());
            let pieces = range.and_then(|(start, end)| {
                Some((self.code.get(start..end)?, memory.get(start..end)?))
            });
            let Some((decoded, found)) = pieces else {
                return Found::Changed(start);
            };
            if decoded == found {
                continue;
            }
            let Some(breakpoint) = breakpoint(machine, decoded, found) else {
                return Found::Changed(start);
            };
            if code.index_of(self.vaddr) == Some(index) {
                at_site = breakpoint;
            }
        }
        // Beyond what could be decoded.
        let decoded = code.instructions().last().map_or(entry, |it| it.end()) - entry;
        let rest = usize::try_from(decoded).unwrap_or_default();
        if self.code.get(rest..) != memory.get(rest..) {
            return Found::Changed(decoded);
        }
        at_site
    }
}

/// Which breakpoint stands in place of an instruction, if what differs is one.
fn breakpoint(machine: Machine, decoded: &[u8], found: &[u8]) -> Option<Found> {
    match machine {
        Machine::X86_64 => {
            let (first, rest) = found.split_first()?;
            let same_rest = decoded.get(1..) == Some(rest);
            let is_probe = *first == INT3 && same_rest || *first == CALL && decoded == NOP5;
            is_probe.then_some(Found::Probe)
        }
        Machine::Aarch64 => {
            let word = u32::from_le_bytes(found.try_into().ok()?);
            match word {
                BRK_UPROBE => Some(Found::Probe),
                _ if word & !BRK_NUMBER == BRK => Some(Found::Breakpoint),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::site::SiteKind;

    fn site(code: &[u8], offset: u64) -> Site {
        Site {
            offset,
            file_offset: offset,
            kind: SiteKind::PushRbp,
            code: code.into(),
            ..Site::sample(0x1000 + offset)
        }
    }

    /// `cmp rsp, [r14+16]; jbe; push rbp`.
    const AMD64: [u8; 7] = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x20, 0x55];

    fn amd64(change: impl FnOnce(&mut [u8; 7])) -> Found {
        let mut memory = AMD64;
        change(&mut memory);
        site(&AMD64, 6).compare(Machine::X86_64, &memory)
    }

    #[test]
    fn what_was_decoded_is_told_from_what_was_changed() {
        assert_eq!(amd64(|_| ()), Found::AsDecoded);
        assert_eq!(amd64(|it| it[6] = 0x50), Found::Changed(6));
        assert_eq!(amd64(|it| it[5] = 0x21), Found::Changed(4));
        // `mov r11, …`: what a hot patch begins with.
        assert_eq!(
            amd64(|it| it[..2].copy_from_slice(&[0x49, 0xbb])),
            Found::Changed(0)
        );
        let short = site(&AMD64, 6).compare(Machine::X86_64, &AMD64[..6]);
        assert_eq!(short, Found::Changed(6));
    }

    #[test]
    fn breakpoints_are_known() {
        assert_eq!(amd64(|it| it[6] = 0xcc), Found::Probe);
        assert_eq!(amd64(|it| it[0] = 0xcc), Found::AsDecoded);
        assert_eq!(
            amd64(|it| (it[0], it[4], it[6]) = (0xcc, 0xcc, 0xcc)),
            Found::Probe
        );
        // In the middle of an instruction it is no breakpoint.
        assert_eq!(amd64(|it| it[1] = 0xcc), Found::Changed(0));
    }

    #[test]
    fn an_optimised_uprobe_is_one() {
        let call = [0xe8, 1, 2, 3, 4];
        let nop = site(&NOP5, 0);
        assert_eq!(nop.compare(Machine::X86_64, &call), Found::Probe);
        let other = site(&[0x0f, 0x1f, 0x44, 0, 8], 0);
        assert_eq!(other.compare(Machine::X86_64, &call), Found::Changed(0));
    }

    /// On ARM the two kinds of breakpoints differ: `b.ls` under `brk #5` and `brk #0`.
    #[test]
    fn breakpoints_of_arm() {
        let code = [0x54_00_01_49_u32.to_le_bytes()].concat();
        let arm = |word: u32| site(&code, 0).compare(Machine::Aarch64, &word.to_le_bytes());
        assert_eq!(arm(0x5400_0149), Found::AsDecoded);
        assert_eq!(arm(0xd420_00a0), Found::Probe);
        assert_eq!(arm(0xd420_0000), Found::Breakpoint);
        assert_eq!(arm(0xd420_7d00), Found::Breakpoint);
        assert_eq!(arm(0x1400_0001), Found::Changed(0));
    }
}
