//! On what a conditional branch of 64-bit ARM depends.

use crate::go::isa::instruction::Instruction as Any;

/// Whether the conditional branch at this place is taken, or not, by comparing a global variable with 0:
/// `adrp; ldr reg, […]; cmp reg, #0; b.cond`.
pub(in crate::go) fn branches_on_global(instructions: &[Any], branch: usize) -> bool {
    let mut before =
        (branch.saturating_sub(4)..branch)
            .rev()
            .filter_map(|index| match instructions.get(index)? {
                Any::Arm64(i) if !i.is_nop() => Some(i),
                _ => None,
            });
    let (Some(compare), Some(load)) = (before.next(), before.next()) else {
        return false;
    };
    matches!(instructions.get(branch), Some(Any::Arm64(i)) if i.is_conditional())
        && compare.compared_with() == Some(0)
        && load.access().is_some_and(|access| !access.stores)
        && load.changes(compare.rn())
}
