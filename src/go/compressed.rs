//! Decompression of ELF sections: `SHF_COMPRESSED` (gABI, `Elf64_Chdr`) and the older GNU `.zdebug_…` form.
//!
//! Go's linker wrote `.zdebug_…` up to Go 1.18 and writes `SHF_COMPRESSED` since Go 1.19 (cmd/link/internal/ld/data.go).

use std::io::Read;

use super::image::word;

/// No deflate stream is compressed more than this many times, so a larger announced size is a lie.
const MAX_RATIO: u64 = 1032;

/// `ELFCOMPRESS_ZLIB`.
const ZLIB: u32 = 1;

/// A section with an `Elf64_Chdr`: type u32, reserved u32, size u64, alignment u64, data. Only zlib is known.
pub(super) fn elf(raw: &[u8]) -> Option<Vec<u8>> {
    let kind = u32::from_le_bytes(raw.get(..4)?.try_into().ok()?);
    if kind != ZLIB {
        return None;
    }
    inflate(raw.get(24..)?, word(raw.get(8..)?)?)
}

/// A `.zdebug_…` section: "ZLIB", size u64 big-endian, data.
pub(super) fn gnu(raw: &[u8]) -> Option<Vec<u8>> {
    let rest = raw.strip_prefix(b"ZLIB")?;
    inflate(
        rest.get(8..)?,
        u64::from_be_bytes(rest.get(..8)?.try_into().ok()?),
    )
}

fn inflate(data: &[u8], size: u64) -> Option<Vec<u8>> {
    if size > (data.len() as u64).checked_mul(MAX_RATIO)? {
        return None;
    }
    let mut out = Vec::with_capacity(usize::try_from(size).ok()?);
    flate2::read::ZlibDecoder::new(data)
        .take(size)
        .read_to_end(&mut out)
        .ok()?;
    (out.len() as u64 == size).then_some(out)
}
