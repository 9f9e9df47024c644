//! Numbers as they lie in a file.

/// A little-endian word.
pub(in crate::go) fn word(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}
