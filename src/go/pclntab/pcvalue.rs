//! The delta-encoded tables that give a value for every instruction of a function: line, file, inlining, stack size.
//!
//! A table is a sequence of pairs (value delta: zigzag varint, length: varint in units of the smallest instruction);
//! the value begins at -1, a value delta of 0 ends the table except in the first pair. Unchanged from Go 1.2 to 1.27:
//! runtime/symtab.go, `pcvalue` and `step`.

/// More pairs than instructions have been seen in no table; beyond this many, one is damaged.
const SPARE: u64 = 64;

/// The value in force at `offset` bytes after the entry of a function of `size` bytes; `None` if the table ends before
/// or is damaged.
///
/// `quantum` is the size of the smallest instruction in bytes (1 on x86-64, 4 on arm64).
pub(in crate::go) fn value_at(table: &[u8], offset: u64, size: u64, quantum: u8) -> Option<i32> {
    let most = usize::try_from(size.checked_add(SPARE)?).ok()?;
    let mut steps = Steps::new(table, quantum).take(most);
    steps.find(|step| offset < step.end).map(|step| step.value)
}

/// A stretch of instructions that share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::go) struct Step {
    /// The value.
    pub(in crate::go) value: i32,
    /// End of the stretch, in bytes from the function's entry; it begins where the one before ends.
    pub(in crate::go) end: u64,
}

/// The stretches of one table, in order.
#[derive(Clone, Debug)]
pub(in crate::go) struct Steps<'a> {
    rest: &'a [u8],
    quantum: u64,
    last: Step,
    first: bool,
}

impl<'a> Steps<'a> {
    /// Reads the table that begins at the first byte of `table`.
    pub(in crate::go) fn new(table: &'a [u8], quantum: u8) -> Self {
        Self {
            rest: table,
            quantum: u64::from(quantum),
            last: Step { value: -1, end: 0 },
            first: true,
        }
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let delta = self.varint()?;
        if delta == 0 && !self.first {
            self.rest = &[];
            return None;
        }
        self.first = false;
        // Zigzag: the lowest bit is the sign.
        let delta = (delta >> 1).cast_signed() ^ -((delta & 1).cast_signed());
        let length = u64::from(self.varint()?);
        self.last.value = self.last.value.wrapping_add(delta);
        self.last.end = self
            .last
            .end
            .checked_add(length.checked_mul(self.quantum)?)?;
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three stretches: 10 up to 4, 9 up to 12, 300 up to 13.
    const TABLE: [u8; 8] = [22, 4, 1, 8, 0xc6, 0x04, 1, 0];

    #[test]
    fn stretches() {
        let at = |offset| value_at(&TABLE, offset, 13, 1);
        assert_eq!(
            [at(0), at(3), at(4), at(11), at(12), at(13)],
            [Some(10), Some(10), Some(9), Some(9), Some(300), None]
        );
    }

    #[test]
    fn quantum_scales_the_lengths() {
        assert_eq!(value_at(&TABLE, 15, 52, 4), Some(10));
        assert_eq!(value_at(&TABLE, 16, 52, 4), Some(9));
    }

    #[test]
    fn a_first_delta_of_zero_is_a_value() {
        assert_eq!(value_at(&[0, 5, 0], 2, 5, 1), Some(-1));
    }

    #[test]
    fn damage_is_no_value() {
        assert_eq!(value_at(&[], 0, 1, 1), None);
        assert_eq!(value_at(&[0x80, 0x80], 0, 1, 1), None);
        assert_eq!(value_at(&[0x80; 12], 0, 1, 1), None);
        assert_eq!(value_at(&[2], 0, 1, 1), None);
        let stands_still = [2, 0].repeat(1000);
        assert_eq!(
            value_at(&[stands_still, vec![2, 5]].concat(), 0, 5, 1),
            None
        );
    }
}
