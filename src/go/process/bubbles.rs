//! Bubbles of package testing/synctest (Go 1.25): which goroutines belong to which, and which of them block for good as
//! long as nothing outside of the bubble happens.
//!
//! A `g` points to its bubble (`g.bubble`), `synctestBubble` of runtime/synctest.go: after a lock and timers that differ
//! from version to version come `id`, `now` (a time that begins with the year 2000) and `root` (the goroutine that called
//! `synctest.Run`). Where these lie is not looked up but found: before the first pointer to a goroutine of that very
//! bubble.

use std::collections::{HashMap, HashSet};

use crate::go::memory::ReadMemory;

/// Words of a bubble that are looked at: `root` is among the first 30 in all versions.
const WORDS: u64 = 64;

/// Times that a bubble can have: 2000 to 2099, ns since 1970.
const TIMES: std::ops::Range<u64> = 946_684_800_000_000_000..4_102_444_800_000_000_000;

/// No program makes as many.
const MAX_ID: u64 = 1 << 48;

/// The ids of bubbles by their addresses. `members` gives for each goroutine where its `g` is, and its bubble or 0.
pub(in crate::go) fn ids(
    memory: &dyn ReadMemory,
    members: impl Iterator<Item = (u64, u64)>,
) -> HashMap<u64, u64> {
    let mut of: HashMap<u64, HashSet<u64>> = HashMap::new();
    for (g, bubble) in members.filter(|(_, bubble)| *bubble != 0) {
        of.entry(bubble).or_default().insert(g);
    }
    let found = of.into_iter().filter_map(|(bubble, members)| {
        let words = memory.words(bubble, WORDS, WORDS as usize).ok()?;
        Some((bubble, id(&words, &members)?))
    });
    found.collect()
}

fn id(words: &[u64], members: &HashSet<u64>) -> Option<u64> {
    let root = words.iter().position(|word| members.contains(word))?;
    let now = words.get(root.checked_sub(1)?)?;
    let id = words.get(root.checked_sub(2)?)?;
    (TIMES.contains(now) && (1..MAX_ID).contains(id)).then_some(*id)
}

/// Whether a goroutine of a bubble that waits for this is blocked for good (`isIdleInSynctest`, runtime/runtime2.go).
pub(in crate::go) fn is_durable(reason: &str) -> bool {
    const DURABLE: [&str; 8] = [
        "chan receive (nil chan)",
        "chan send (nil chan)",
        "select (no cases)",
        "sleep",
        "sync.Cond.Wait",
        "coroutine",
        "synctest.Run",
        "synctest.Wait",
    ];
    reason.ends_with("(durable)") || DURABLE.contains(&reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::memory_image::MemoryImage;

    #[test]
    fn a_bubble_is_known_by_its_root() {
        let bubble = |words: &[u64]| {
            let mut memory = MemoryImage::new();
            let mut bytes: Vec<u8> = words.iter().flat_map(|it| it.to_le_bytes()).collect();
            bytes.resize(WORDS as usize * 8, 0);
            memory.map(0x9000, bytes);
            ids(
                &memory,
                [(0x100, 0x9000), (0x200, 0), (0x300, 0x9000)].into_iter(),
            )
        };
        let now = TIMES.start + 5;
        assert_eq!(bubble(&[0, 9, 7, now, 0x300, 0x100])[&0x9000], 7);
        // A goroutine of another bubble is no root; without a time there is none either.
        assert!(bubble(&[0, 9, 7, now, 0x200]).is_empty());
        assert!(bubble(&[0, 9, 7, 8, 0x300]).is_empty());
        assert!(bubble(&[0x300, now]).is_empty());
        assert!(ids(&MemoryImage::new(), [(1, 8)].into_iter()).is_empty());
    }
}
