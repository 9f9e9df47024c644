//! Accesses to memory that every thread has for itself: those with the segment FS (System V ABI, x86-64 psABI, "Thread-Local
//! Storage").

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// How far from the thread pointer something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// So many bytes.
    Known(i64),
    /// As many as the word at this link-time address says: the loader writes it.
    In(u64),
}

/// How far from the thread pointer the first such access in some code is.
pub(in crate::go) fn first_access(code: &[u8], entry: u64) -> Option<Distance> {
    let decoder = Decoder::with_ip(64, code, entry, DecoderOptions::NONE);
    let mut before: Vec<Instruction> = Vec::new();
    for instruction in decoder {
        if instruction.is_invalid() {
            return None;
        }
        if instruction.memory_segment() == Register::FS && has_memory(&instruction) {
            return distance(&instruction, &before);
        }
        before.push(instruction);
    }
    None
}

fn has_memory(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|number| instruction.op_kind(number) == OpKind::Memory)
}

fn distance(access: &Instruction, before: &[Instruction]) -> Option<Distance> {
    let displacement = access.memory_displacement64().cast_signed();
    if access.memory_index() != Register::None {
        return None;
    }
    let base = access.memory_base();
    if base == Register::None {
        return Some(Distance::Known(displacement));
    }
    let writes = |it: &&Instruction| {
        it.op0_kind() == OpKind::Register && it.op0_register().full_register() == base
    };
    let set = before.iter().rev().find(writes)?;
    match (set.mnemonic(), set.op1_kind()) {
        (Mnemonic::Mov, OpKind::Memory) if set.is_ip_rel_memory_operand() && displacement == 0 => {
            Some(Distance::In(set.ip_rel_memory_address()))
        }
        (Mnemonic::Mov, OpKind::Immediate32to64 | OpKind::Immediate64 | OpKind::Immediate32) => {
            let distance = set.immediate(1).cast_signed();
            Some(Distance::Known(distance.checked_add(displacement)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_displacement_an_immediate_or_a_word() {
        // mov rcx, fs:[-8]
        let code = [0x64, 0x48, 0x8b, 0x0c, 0x25, 0xf8, 0xff, 0xff, 0xff];
        assert_eq!(first_access(&code, 0), Some(Distance::Known(-8)));
        // mov rcx, -96; mov rcx, fs:[rcx]
        let code = [
            0x48, 0xc7, 0xc1, 0xa0, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x09,
        ];
        assert_eq!(first_access(&code, 0), Some(Distance::Known(-96)));
        // mov rcx, [rip + 0x100]; mov rcx, fs:[rcx]
        let code = [0x48, 0x8b, 0x0d, 0, 1, 0, 0, 0x64, 0x48, 0x8b, 0x09];
        assert_eq!(first_access(&code, 0x1000), Some(Distance::In(0x1107)));
        // mov rcx, [rcx]; mov rcx, fs:[rcx]
        let code = [0x48, 0x8b, 0x09, 0x64, 0x48, 0x8b, 0x09];
        assert_eq!(first_access(&code, 0), None);
        assert_eq!(first_access(&[0x90], 0), None);
    }
}
