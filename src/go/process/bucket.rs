//! The lists of stacks that the runtime keeps for its profiles: those on which memory was allocated, `mbuckets`, and those
//! that waited or let others wait, each linked by `bucket.allnext` (runtime/mprof.go).
//!
//! A bucket is made once and never changes or goes, but for the record behind its stack. It bears a hash of its stack
//! and of the size of its objects: what has another one is no bucket.

use std::collections::HashMap;

use super::bucket_hash::{LONGEST, hash};
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;
use crate::go::memory::{MemoryError, ReadMemory};

/// More buckets are not believed, nor more addresses in all of them.
const MOST: usize = 1 << 18;
const MOST_ADDRESSES: usize = 1 << 22;

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Live return addresses, innermost first.
    pub(super) stack: Vec<u64>,
    /// Bytes of an object.
    pub(super) size: u64,
    /// Where its record lies.
    pub(super) record: u64,
}

/// Where the parts of a bucket lie.
#[derive(Debug, Clone, Copy)]
struct BucketLayout {
    header: u64,
    next: u64,
    hash: u64,
    size: u64,
    count: u64,
}

/// Goes through the list.
pub(super) struct Buckets<'v> {
    blocks: Blocks<'v>,
    layout: BucketLayout,
    next: u64,
    seen: usize,
    addresses: usize,
}

impl<'v> Buckets<'v> {
    /// Those on which memory was allocated.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: where they lie, or how one is built, is not known.
    pub(super) fn of_memory(view: &ProcessView<'v>) -> Result<Self, ReadError> {
        let head = view.global("mbuckets", |globals| globals.mbuckets)?;
        Self::from(view, view.memory.u64(head)?)
    }

    /// From this one on.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: how one is built is not known.
    pub(super) fn from(view: &ProcessView<'v>, first: u64) -> Result<Self, ReadError> {
        let next = view.offset(Field::BucketAllnext)?;
        Self::linked_at(view, first, next)
    }

    /// Whether there is a bucket: it has a stack, and bears its hash. (Nothing but zeros has the hash of nothing.)
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: how one is built is not known.
    pub(super) fn is_one(view: &ProcessView<'v>, at: u64) -> Result<bool, ReadError> {
        if at == 0 || !at.is_multiple_of(8) {
            return Ok(false);
        }
        let found = Self::linked_at(view, at, 0)?.next();
        Ok(matches!(found, Ok(Some(bucket)) if !bucket.stack.is_empty()))
    }

    fn linked_at(view: &ProcessView<'v>, first: u64, next: u64) -> Result<Self, ReadError> {
        let layout = BucketLayout {
            header: view.offset(Field::BucketSize)?,
            next,
            hash: view.offset(Field::BucketHash)?,
            size: view.offset(Field::BucketObjectSize)?,
            count: view.offset(Field::BucketNstk)?,
        };
        Ok(Self {
            blocks: Blocks::new(view.memory),
            layout,
            next: first,
            seen: 0,
            addresses: 0,
        })
    }

    /// The next bucket, the newest first; `None` at the end.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(super) fn next(&mut self) -> Result<Option<Bucket>, ReadError> {
        if self.next == 0 {
            return Ok(None);
        }
        let at = self.next;
        let member = |offset: u64| at.wrapping_add(offset);
        let count = self.blocks.word(member(self.layout.count))?;
        self.seen += 1;
        if count > LONGEST || self.seen > MOST || self.addresses > MOST_ADDRESSES {
            return Err(implausible("is too long"));
        }
        let mut stack = Vec::new();
        let first = member(self.layout.header);
        for index in 0..count {
            stack.push(self.blocks.word(first.wrapping_add(8 * index))?);
        }
        let size = self.blocks.word(member(self.layout.size))?;
        if hash(&stack, size) != self.blocks.word(member(self.layout.hash))? {
            return Err(implausible("has an entry with another hash than its own"));
        }
        self.addresses += stack.len();
        self.next = self.blocks.word(member(self.layout.next))?;
        Ok(Some(Bucket {
            stack,
            size,
            record: first.wrapping_add(8 * count),
        }))
    }
}

fn implausible(what: &str) -> ReadError {
    ReadError::Implausible(format!("a list of stacks that it keeps {what}"))
}

/// Bytes read at once: buckets lie one behind the other.
const BLOCK: u64 = 16 << 10;
/// The smallest piece of memory that is there as a whole.
const PAGE: u64 = 4 << 10;
/// Blocks that are kept, and that are read in all.
const KEPT: usize = 256;
const MOST_BLOCKS: usize = 1 << 15;

/// Memory that does not change, read in blocks.
struct Blocks<'v> {
    memory: &'v dyn ReadMemory,
    seen: HashMap<u64, Vec<u8>>,
    read: usize,
}

impl<'v> Blocks<'v> {
    fn new(memory: &'v dyn ReadMemory) -> Self {
        Self {
            memory,
            seen: HashMap::new(),
            read: 0,
        }
    }

    fn word(&mut self, addr: u64) -> Result<u64, ReadError> {
        let unmapped = MemoryError::Unmapped { addr, len: 8 };
        if !addr.is_multiple_of(8) {
            return Err(ReadError::Memory(unmapped));
        }
        for size in [BLOCK, PAGE] {
            let start = addr - addr % size;
            let block = self.block(start, size)?;
            let at = usize::try_from(addr - start).unwrap_or(usize::MAX);
            if let Some(bytes) = block.and_then(|block| block.get(at..)?.first_chunk::<8>()) {
                return Ok(u64::from_le_bytes(*bytes));
            }
        }
        Err(ReadError::Memory(unmapped))
    }

    /// A block; a page of one that is not there as a whole has its place too.
    fn block(&mut self, start: u64, size: u64) -> Result<Option<&Vec<u8>>, ReadError> {
        let key = start | (size >> 12);
        if !self.seen.contains_key(&key) {
            self.read += 1;
            if self.read > MOST_BLOCKS {
                return Err(implausible("is scattered all over its memory"));
            }
            let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
            match self.memory.read(start, &mut bytes) {
                Ok(()) => {}
                Err(why) if why.is_final() => return Err(why.into()),
                Err(_) => bytes.clear(),
            }
            if self.seen.len() >= KEPT {
                self.seen.clear();
            }
            self.seen.insert(key, bytes);
        }
        Ok(self.seen.get(&key).filter(|bytes| !bytes.is_empty()))
    }
}
