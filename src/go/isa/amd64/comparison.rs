//! On what a conditional branch of x86-64 depends.

use iced_x86::ConditionCode;

use crate::go::isa::instruction::{Instruction as Any, Register};

/// Whether the conditional branch at this place is taken, or not, by comparing a global variable with 0, unsigned or
/// signed: `cmp dword [rip+…], 0; jcc`.
pub(in crate::go) fn branches_on_global(instructions: &[Any], branch: usize) -> bool {
    let before = instructions.get(..branch).unwrap_or_default();
    let compare = before.iter().rev().take(3).find(|i| !i.is_nop());
    matches!(compare, Some(Any::Amd64(i)) if i.compares_global_with_zero())
}

/// The register that is tested for 0 just before the conditional branch at this place: `test reg, reg; je` or `jne`.
pub(in crate::go) fn tests_for_zero(instructions: &[Any], branch: usize) -> Option<Register> {
    let before = instructions.get(..branch)?;
    match (
        instructions.get(branch)?,
        before.iter().rev().find(|i| !i.is_nop())?,
    ) {
        (Any::Amd64(branch), Any::Amd64(test))
            if matches!(
                branch.0.condition_code(),
                ConditionCode::e | ConditionCode::ne
            ) =>
        {
            test.tested()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], entry: u64) -> Vec<Any> {
        super::super::decode(bytes, entry).map(Any::Amd64).collect()
    }

    /// `runtime.sweepone` of Go 1.22: `cmp dword [rip+debug.scavtrace], 0; jle`.
    #[test]
    fn comparison_with_a_global() {
        let bytes = [
            0x84, 0xd2, 0x74, 0x36, // test dl, dl; je
            0x83, 0x3d, 0xc7, 0x1e, 0x4c, 0x00, 0x00, // cmp dword [rip+…], 0
            0x7e, 0x1d, // jle
        ];
        let all = decode(&bytes, 0);
        let branches: Vec<usize> = (0..4)
            .filter(|i| all[*i].is_branch() && branches_on_global(&all, *i))
            .collect();
        assert_eq!(branches, [3]);
    }

    #[test]
    fn test_for_zero() {
        let bytes = [0x45, 0x84, 0xd2, 0x90, 0x75, 0x10]; // test r10b, r10b; nop; jne
        assert_eq!(tests_for_zero(&decode(&bytes, 0), 2), Some(Register(10)));
        let bytes = [0x45, 0x84, 0xd2, 0x90, 0x7f, 0x10]; // test r10b, r10b; nop; jg
        assert_eq!(tests_for_zero(&decode(&bytes, 0), 2), None);
    }
}
