//! Memory read a page at a time: claims look at many members of few structures, which lie close together.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::go::memory::{MemoryError, ReadMemory};

/// Bytes read at once. No mapping begins or ends within: no processor that Go knows has smaller pages.
const PAGE: usize = 4096;

/// A process's memory. Each page is read when it is first looked into, and is seen so until [`renew`](Self::renew).
pub(super) struct Pages<'m> {
    memory: &'m dyn ReadMemory,
    /// By address; `None` if a page cannot be read as a whole.
    seen: RefCell<HashMap<u64, Option<Vec<u8>>>>,
}

impl<'m> Pages<'m> {
    /// Nothing is read yet.
    pub(super) fn new(memory: &'m dyn ReadMemory) -> Self {
        Self {
            memory,
            seen: RefCell::default(),
        }
    }

    /// From now on the memory is seen as it is now.
    pub(super) fn renew(&self) {
        self.seen.borrow_mut().clear();
    }

    fn page(&self, address: u64) -> Result<Option<Vec<u8>>, MemoryError> {
        let mut page = vec![0; PAGE];
        match self.memory.read(address, &mut page) {
            Ok(()) => Ok(Some(page)),
            Err(why) if why.is_final() => Err(why),
            Err(_) => Ok(None),
        }
    }
}

impl ReadMemory for Pages<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        let skip = usize::try_from(addr % PAGE as u64).unwrap_or_default();
        if skip + buf.len() > PAGE {
            return self.memory.read(addr, buf);
        }
        let address = addr - skip as u64;
        let mut seen = self.seen.borrow_mut();
        let page = match seen.entry(address) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(self.page(address)?),
        };
        let bytes = page
            .as_deref()
            .and_then(|page| page.get(skip..)?.get(..buf.len()));
        match bytes {
            Some(bytes) => {
                buf.copy_from_slice(bytes);
                Ok(())
            }
            // The page is not there as a whole, but the few bytes may be: memory that was copied out of a process.
            None => self.memory.read(addr, buf),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::go::memory_image::MemoryImage;

    /// Counts what is asked of it.
    struct Counted {
        image: MemoryImage,
        reads: Cell<u32>,
    }

    impl ReadMemory for Counted {
        fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
            self.reads.set(self.reads.get() + 1);
            self.image.read(addr, buf)
        }
    }

    fn counted() -> Counted {
        let mut image = MemoryImage::new();
        image
            .map(0x1000, (0..=u8::MAX).cycle().take(2 * PAGE).collect())
            .map(0x8000, vec![7; 16]);
        Counted {
            image,
            reads: Cell::new(0),
        }
    }

    #[test]
    fn a_page_is_read_once_and_seen_as_it_was() {
        let mut memory = counted();
        let pages = Pages::new(&memory);
        assert_eq!(pages.u8(0x1001), Ok(1));
        assert_eq!(pages.u16(0x1ffe), Ok(0xfffe));
        assert_eq!(memory.reads.get(), 1);
        pages.renew();
        assert_eq!(pages.u8(0x1001), Ok(1));
        assert_eq!(memory.reads.get(), 2);
        drop(pages);
        memory.image.write(0x1001, &[9]);
        assert_eq!(Pages::new(&memory).u8(0x1001), Ok(9));
    }

    #[test]
    fn what_lies_in_two_pages_is_read_in_one() {
        let memory = counted();
        assert_eq!(Pages::new(&memory).u32(0x1ffe), Ok(0x0100_fffe));
        assert_eq!(memory.reads.get(), 1);
    }

    #[test]
    fn a_piece_of_a_page_can_be_read() {
        let memory = counted();
        let pages = Pages::new(&memory);
        assert_eq!(pages.u64(0x8000), Ok(0x0707_0707_0707_0707));
        assert!(pages.u64(0x800c).is_err());
    }
}
