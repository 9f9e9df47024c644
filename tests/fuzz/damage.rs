//! Ways to damage bytes.

use std::ops::Range;

use crate::random::Random;

/// Damages a few places, most of them in one of `hot`; now and then cuts the end off.
pub(crate) fn damage(bytes: &mut Vec<u8>, hot: &[Range<usize>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let all = 0..bytes.len();
        let range = match random.below(4) {
            0 => &all,
            _ if hot.is_empty() => &all,
            _ => random.of(hot),
        };
        let range = range.start.min(bytes.len())..range.end.min(bytes.len());
        let place = range.start + random.below(range.len());
        // Most of what counts is aligned.
        let place = if random.below(4) == 0 {
            place
        } else {
            place & !3
        };
        match random.below(8) {
            // A piece from elsewhere, which is well-formed in itself.
            0 => {
                let from = random.below(bytes.len());
                let size = random.below(256).min(bytes.len() - from.max(place));
                bytes.copy_within(from..from + size, place);
            }
            1 => {
                let end = (place + random.below(64)).min(bytes.len());
                bytes[place..end].fill(*random.of(&[0, 0xff, 0x80, 1]));
            }
            2 if place < bytes.len() => bytes[place] ^= 1 << random.below(8),
            _ => {
                let size = *random.of(&[1, 2, 4, 8]);
                let value = random.odd().to_le_bytes();
                let end = (place + size).min(bytes.len());
                bytes[place..end].copy_from_slice(&value[..end - place]);
            }
        }
    }
    if random.below(16) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
}
