//! How much of a file is really there.
//!
//! A file can claim any size at no cost: what was never written to is a hole, and reads as zeros. Whoever looks through
//! a program must not go by that claim.

use std::fs::File;
use std::os::unix::fs::MetadataExt;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use nix::unistd::Whence;
use nix::unistd::lseek;

/// No Go program is larger, in bytes: distances in its code have 31 bits, those in its debug information 32.
const LARGEST: u64 = 16 << 30;

/// Bytes of holes that do no harm.
const HARMLESS: u64 = 64 << 20;

/// Of its contents so many times may be holes: programs copied by tools that leave zeros out have some.
const TIMES: u64 = 4;

/// Holes that are looked at; of a file that has more it is not known how much is there.
const MOST: usize = 1 << 16;

/// Refuses to look through a program that is mostly empty, or larger than any.
///
/// # Errors
/// It is; or cannot be looked at.
pub(super) fn require_contents(file: &File) -> Result<()> {
    let size = file.metadata().context("cannot look at the file")?.size();
    if size > LARGEST {
        bail!("no Go program has as many as {size} bytes");
    }
    if size <= HARMLESS {
        return Ok(());
    }
    let there = contents(file, size);
    if size > HARMLESS.saturating_add(there.saturating_mul(TIMES)) {
        bail!("of its {size} bytes only {there} are there; no Go program is mostly empty");
    }
    Ok(())
}

/// Bytes of a file of `size` bytes that are not in holes. All of them where that cannot be told.
pub(super) fn contents(file: &File, size: u64) -> u64 {
    let seek = |from: u64, whence| -> Option<u64> {
        let found = lseek(file, i64::try_from(from).ok()?, whence).ok()?;
        u64::try_from(found).ok()
    };
    let (mut at, mut there) = (0, 0_u64);
    for _ in 0..MOST {
        // There is no more if this fails.
        let Some(start) = seek(at, Whence::SeekData) else {
            return there;
        };
        let end = seek(start, Whence::SeekHole).unwrap_or(size);
        there = there.saturating_add(end.saturating_sub(start));
        if end >= size || end <= at {
            return there;
        }
        at = end;
    }
    size
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn holes_are_no_contents() {
        let path = std::env::temp_dir().join(format!("grtmon-extent.{}", std::process::id()));
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        let kib = vec![7; 1 << 10];
        file.write_all_at(&kib, 0).unwrap();
        file.write_all_at(&kib, 1 << 22).unwrap();
        assert!(require_contents(&file).is_ok());
        file.set_len(1 << 30).unwrap();
        let why = require_contents(&file).unwrap_err().to_string();
        assert!(why.contains("mostly empty"), "{why}");
        // Those pages or blocks that were written to.
        assert!((2048..=(1 << 17)).contains(&contents(&file, 1 << 30)));
        file.set_len(LARGEST + 1).unwrap();
        let why = require_contents(&file).unwrap_err().to_string();
        assert!(why.contains("as many as"), "{why}");
        fs::remove_file(&path).unwrap();
        assert!(require_contents(&File::open("/proc/self/exe").unwrap()).is_ok());
    }
}
