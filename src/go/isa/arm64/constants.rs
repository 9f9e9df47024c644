//! Constants within instructions of 64-bit ARM.

/// What a `mov` of a constant puts into its register: `movz`, `movn`, or `orr` with the register that is always zero.
pub(super) fn set(word: u32) -> Option<u64> {
    let is_wide = word >> 31 == 1;
    let of_size = |value: u64| if is_wide { value } else { value & 0xffff_ffff };
    let shifted = || u64::from(word >> 5 & 0xffff) << (16 * (word >> 21 & 3));
    match word & 0x7f80_0000 {
        0x5280_0000 => Some(shifted()),
        0x1280_0000 => Some(of_size(!shifted())),
        0x3200_0000 if word >> 5 & 31 == 31 => mask(word).map(of_size),
        _ => None,
    }
}

/// The constant of a logical instruction: a run of ones, rotated, and repeated over the register (`DecodeBitMasks` in
/// the Arm Architecture Reference Manual).
fn mask(word: u32) -> Option<u64> {
    let (n, rotation, ones) = (word >> 22 & 1, word >> 16 & 0x3f, word >> 10 & 0x3f);
    let size = 1 << (n << 6 | !ones & 0x3f).checked_ilog2()?;
    let (rotation, ones) = (rotation & (size - 1), (ones & (size - 1)) + 1);
    if size < 2 || ones == size {
        return None;
    }
    let element = (1u64 << ones) - 1;
    let below = (1u64 << rotation) - 1;
    let rotated = element >> rotation | (element & below) << ((size - rotation) % 64);
    Some((0..64 / size).fold(0, |all, n| all | rotated << (n * size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words from the runtime of Go 1.27, and what its disassembler says of them.
    #[test]
    fn constants() {
        for (word, constant) in [
            (0xd280_04c4, Some(0x26)),                  // mov x4, #0x26
            (0xd29d_0d41, Some(0xe86a)),                // mov x1, #0xe86a
            (0xb24003e3, Some(1)),                      // orr x3, xzr, #0x1
            (0xb27c_03e8, Some(16)),                    // orr x8, xzr, #0x10
            (0xb240_13e1, Some(31)),                    // orr x1, xzr, #0x1f
            (0xb261_83e4, Some(0xffff_ffff_8000_0000)), // orr x4, xzr, #0xffffffff80000000
            (0x3200_f3e0, Some(0x5555_5555)),           // orr w0, wzr, #0x55555555
            (0x9240_7843, None),                        // and x3, x2, #0x7fffffff
            (0x9280_0000, Some(u64::MAX)),              // movn x0, #0
            (0xf2a0_0021, None),                        // movk x1, #0x1, lsl #16
        ] {
            assert_eq!(set(word), constant, "{word:x}");
        }
    }
}
