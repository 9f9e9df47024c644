//! A span of the heap, and its slots.

/// A span of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Where its slots begin.
    pub(super) start: u64,
    /// Bytes of a slot.
    pub(super) slot: u64,
    /// Slots.
    pub(super) count: u32,
    /// The number of its first slot among all.
    pub(super) first: u32,
    /// The size class; 0: one large object.
    pub(super) class: u8,
    /// Whether its objects can hold pointers.
    pub(super) has_pointers: bool,
    /// The type of a large object that can.
    pub(super) large_type: u64,
}

impl Span {
    /// Bytes of all its slots.
    pub(super) fn bytes(&self) -> u64 {
        self.slot.saturating_mul(u64::from(self.count))
    }

    /// The number of the slot that an address lies in, and how far in.
    #[inline]
    pub(super) fn slot_of(&self, addr: u64) -> Option<(u32, u64)> {
        let within = addr.checked_sub(self.start)?;
        let index = match self.count {
            1 => 0,
            _ => u32::try_from(within.checked_div(self.slot)?).ok()?,
        };
        let offset = within - u64::from(index) * self.slot;
        (index < self.count && offset < self.slot).then_some((index, offset))
    }
}
