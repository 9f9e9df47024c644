//! Decompression of ELF sections: `SHF_COMPRESSED` (gABI, `Elf64_Chdr`) and the older GNU `.zdebug_…` form.
//!
//! Go's linker wrote `.zdebug_…` up to Go 1.18 and writes `SHF_COMPRESSED` since Go 1.19 (cmd/link/internal/ld/data.go).

use std::io::Read;

use super::word::word;

/// No deflate stream is compressed more than this many times, so a larger announced size is a lie.
const MAX_RATIO: u64 = 1032;

/// Debugging information is compressed two to six times; so many times is not believed of more than [`SMALL`].
const PLAUSIBLE_RATIO: u64 = 64;

/// Bytes that can be had for any reason.
const SMALL: u64 = 16 << 20;

/// No section that is read has more bytes.
pub(in crate::go) const LARGEST: u64 = 1 << 30;

/// The most that a section can have that is compressed to so many bytes.
pub(in crate::go) fn most(compressed: usize) -> u64 {
    let compressed = compressed as u64;
    let plausible = compressed.saturating_mul(PLAUSIBLE_RATIO).max(SMALL);
    compressed
        .saturating_mul(MAX_RATIO)
        .min(plausible)
        .min(LARGEST)
}

/// `ELFCOMPRESS_ZLIB`.
const ZLIB: u32 = 1;

/// A section with an `Elf64_Chdr`: type u32, reserved u32, size u64, alignment u64, data. Only zlib is known.
pub(in crate::go) fn elf(raw: &[u8]) -> Option<Vec<u8>> {
    let kind = u32::from_le_bytes(raw.get(..4)?.try_into().ok()?);
    if kind != ZLIB {
        return None;
    }
    inflate(raw.get(24..)?, word(raw.get(8..)?)?)
}

/// A `.zdebug_…` section: "ZLIB", size u64 big-endian, data.
pub(in crate::go) fn gnu(raw: &[u8]) -> Option<Vec<u8>> {
    let rest = raw.strip_prefix(b"ZLIB")?;
    inflate(
        rest.get(8..)?,
        u64::from_be_bytes(rest.get(..8)?.try_into().ok()?),
    )
}

fn inflate(data: &[u8], size: u64) -> Option<Vec<u8>> {
    if size > most(data.len()) {
        return None;
    }
    // What is allocated is what was decompressed: the data may end at once.
    let mut out = Vec::new();
    flate2::read::ZlibDecoder::new(data)
        .take(size)
        .read_to_end(&mut out)
        .ok()?;
    (out.len() as u64 == size).then_some(out)
}
