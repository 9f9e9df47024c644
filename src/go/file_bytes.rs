//! The bytes of a file, wherever they are kept.

use std::ops::Range;

/// The contents of a file.
pub trait FileBytes: AsRef<[u8]> + Send + Sync + 'static {
    /// Says that this range, in bytes, will not be looked at again soon: the memory that it takes may be given back. It
    /// can still be read.
    fn release(&self, _range: Range<usize>) {}
}

impl FileBytes for Vec<u8> {}
