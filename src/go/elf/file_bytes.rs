//! The bytes of a file, wherever they are kept.

use std::ops::Range;

/// The contents of a file.
pub trait FileBytes: AsRef<[u8]> + Send + Sync + 'static {
    /// Says that this range, in bytes, will not be looked at again soon: the memory that it takes may be given back. It
    /// can still be read.
    fn release(&self, _range: Range<usize>) {}

    /// How many of the bytes are really there: the others are in holes, and cost whoever made the file nothing.
    fn contents(&self) -> u64 {
        self.as_ref().len() as u64
    }

    /// Whether something that was read was not there any more, and zeros stood in for it. Quick.
    fn is_cut(&self) -> bool {
        false
    }

    /// Whether the file is not any more what it was when it was opened: what was read of it then is not to be believed.
    fn has_changed(&self) -> bool {
        false
    }
}

impl FileBytes for Vec<u8> {}
