//! What the kernel's uprobes make of an instruction of 64-bit ARM.
//!
//! From arch/arm64/kernel/probes/decode-insn.c and simulate-insn.c (Linux 5.10 to 6.18): `arm_probe_decode_insn` and
//! `aarch64_insn_is_steppable`. Simulated are instructions that read or write the program counter; all others are
//! single-stepped, or refused.

use super::Instruction;
use crate::go::isa::terms::Flow;

/// Whether the instruction is simulated: `b`, `bl`, `b.cond`, `cbz`, `cbnz`, `tbz`, `tbnz`, `br`, `blr`, `ret`, `adr` and
/// `adrp`. (`nop` since Linux 6.13; a load of a literal only until it was found to be wrong, in 6.12.)
pub(crate) fn is_simulated(instruction: &Instruction) -> bool {
    let word = instruction.word;
    let is_register_branch = matches!(word & 0xffff_fc1f, 0xd61f_0000 | 0xd63f_0000 | 0xd65f_0000);
    // Bit 4 makes another instruction of b.cond, which the kernel does not know.
    let is_conditional = instruction.is_conditional() && word & 0x10 == 0;
    let is_direct = matches!(
        instruction.flow(),
        Flow::Jump(Some(_)) | Flow::Call(Some(_))
    );
    let is_test = word & 0x7c00_0000 == 0x3400_0000;
    is_register_branch || is_conditional || is_direct || is_test || instruction.is_adr()
}

/// Why the kernel would refuse the instruction, if it would.
pub(crate) fn refused(instruction: &Instruction) -> Option<&'static str> {
    let word = instruction.word;
    if is_simulated(instruction) || instruction.is_nop() {
        return None;
    }
    if word & 0x3f00_0000 == 0x0800_0000 {
        return Some("uprobes refuse instructions that synchronise with other processors");
    }
    if word & 0x3b00_0000 == 0x1800_0000 {
        return Some("uprobes refuse to load a constant from the code");
    }
    if word & 0x3b00_0000 == 0x1900_0000 {
        return Some("uprobes refuse this instruction on some kernels");
    }
    // Branches, exceptions and system instructions.
    let is_system = word >> 26 & 7 == 0b101;
    (is_system || instruction.is_unknown()).then_some("uprobes refuse this instruction")
}

#[cfg(test)]
mod tests {
    use crate::go::elf::image::Machine;
    use crate::go::isa::code::Code;

    /// Each with what the kernel does: simulates, single-steps, or refuses.
    #[test]
    fn as_the_kernel_decides() {
        const SIMULATED: (bool, bool) = (true, false);
        const STEPPED: (bool, bool) = (false, false);
        const REFUSED: (bool, bool) = (false, true);
        for (word, expected) in [
            (0x5400_02c9_u32, SIMULATED), // b.ls
            (0x5400_02d9, REFUSED),       // bc.ls
            (0x97ff_6462, SIMULATED),     // bl
            (0x17ff_ffe6, SIMULATED),     // b
            (0x3400_0360, SIMULATED),     // cbz
            (0xb5ff_ffbb, SIMULATED),     // cbnz
            (0x3600_0045, SIMULATED),     // tbz
            (0x3700_0085, SIMULATED),     // tbnz
            (0xd65f_03c0, SIMULATED),     // ret
            (0xd61f_00c0, SIMULATED),     // br x6
            (0xd63f_0060, SIMULATED),     // blr x3
            (0xf000_171b, SIMULATED),     // adrp
            (0x1000_0000, SIMULATED),     // adr
            (0xd65f_0bff, REFUSED),       // retaa
            (0xd503_201f, STEPPED),       // nop
            (0xf940_0b90, STEPPED),       // ldr x16, [x28, #16]
            (0xf81d_0ffe, STEPPED),       // str x30, [sp, #-48]!
            (0xeb30_63ff, STEPPED),       // cmp sp, x16
            (0xf8e8_012a, STEPPED),       // ldaddal
            (0x88df_fc42, REFUSED),       // ldar
            (0x889f_fc23, REFUSED),       // stlr
            (0x885f_fc1b, REFUSED),       // ldaxr
            (0x881b_fc03, REFUSED),       // stlxr
            (0x88fb_fc03, REFUSED),       // casal
            (0x5800_0040, REFUSED),       // ldr x0, literal
            (0x1900_0400, REFUSED),       // cpyfp
            (0xd400_0001, REFUSED),       // svc
            (0xd420_0000, REFUSED),       // brk
            (0xd503_229f, REFUSED),       // csdb
            (0xd538_4240, REFUSED),       // mrs
            (0xd51b_4220, REFUSED),       // msr
            (0x0000_0000, REFUSED),       // udf
        ] {
            let bytes = word.to_le_bytes();
            let code = Code::decode(Machine::Aarch64, &bytes, 0x1_0000);
            let found = (code.is_emulated(0), code.refused(0).is_some());
            assert_eq!(found, expected, "{word:x}");
        }
    }
}
