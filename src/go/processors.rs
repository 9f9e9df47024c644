//! The runtime's processors (`allp []*p`, runtime/runtime2.go): what each has counted for itself.

use super::anatomy::{ReadError, Subject};
use super::block::{Block, read_all};
use super::layout::Field;

/// More processors than any machine has; what claims more is garbage.
const MOST: u64 = 1 << 12;

/// One `p`, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Processor {
    /// `p.mcache`.
    pub(super) mcache: u64,
    /// Goroutines in its run queue, `runnext` included; `None` if the copy caught it between two states.
    pub(super) runnable: Option<u64>,
    /// `p.gFree.size`: dead `g`s it keeps; `None` if this is not known.
    pub(super) free: Option<u32>,
    /// `p.goroutinesCreated`, from Go 1.26 on.
    pub(super) created: Option<u64>,
}

/// Places of the run queue (`p.runq`, runtime/runtime2.go, Go 1.19 to 1.27).
const QUEUE: u32 = 256;

/// Reads all processors.
///
/// # Errors
/// They cannot be read, or are not what they are taken for: `allp[i].id` is i, and each has a cache.
pub(super) fn read(subject: &Subject<'_>) -> Result<Vec<Processor>, ReadError> {
    let mut processors = Processors::locate(subject)?;
    read_all(subject, processors.blocks())?;
    processors.decode(subject)
}

/// Room for all processors, to be read together with other things.
#[derive(Debug, Clone)]
pub(super) struct Processors {
    parts: Vec<Parts>,
}

impl Processors {
    /// Finds them.
    ///
    /// # Errors
    /// Where they are is not known, or not readable, or there are more than there can be.
    pub(super) fn locate(subject: &Subject<'_>) -> Result<Self, ReadError> {
        let allp = subject.global("allp", |globals| globals.allp)?;
        let header = subject.memory.slice_header(allp)?;
        if !header.is_plausible() || header.len == 0 || header.len > MOST {
            return Err(ReadError::Implausible(format!(
                "there are {} processors",
                header.len
            )));
        }
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        let addresses = subject.memory.words(header.ptr, header.len, most)?;
        let parts = addresses.iter().map(|address| Parts::of(subject, *address));
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
        })
    }

    /// What to read.
    pub(super) fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        self.parts.iter_mut().flat_map(Parts::blocks)
    }

    /// What was read.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn decode(&self, subject: &Subject<'_>) -> Result<Vec<Processor>, ReadError> {
        let read = self.parts.iter().enumerate();
        read.map(|(index, parts)| parts.decode(subject, index))
            .collect()
    }
}

/// A `p` has over 10 KiB, most of it timers, queues and buffers: only what is needed is copied.
#[derive(Debug, Clone)]
struct Parts {
    /// From `id` to `runqtail`.
    head: Block,
    runnext: Block,
    free: Option<Block>,
    created: Option<Block>,
}

impl Parts {
    fn of(subject: &Subject<'_>, address: u64) -> Result<Self, ReadError> {
        let head = [
            (Field::PId, 4),
            (Field::PMcache, 8),
            (Field::PRunqhead, 4),
            (Field::PRunqtail, 4),
        ];
        let optional = |field, width| match subject.known(field) {
            Some(offset) => Block::new(address.wrapping_add(offset), width).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            head: Block::spanning(subject, address, &head)?,
            runnext: Block::new(subject.member(address, Field::PRunnext)?, 8)?,
            free: optional(Field::PGFreeSize, 4)?,
            created: optional(Field::PGoroutinesCreated, 8)?,
        })
    }

    fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        let both = [&mut self.head, &mut self.runnext];
        both.into_iter()
            .chain(&mut self.free)
            .chain(&mut self.created)
    }

    fn decode(&self, subject: &Subject<'_>, index: usize) -> Result<Processor, ReadError> {
        let short = || ReadError::Implausible("a processor is cut short".to_owned());
        let word = |field| -> Result<u64, ReadError> {
            self.head.u64(subject.offset(field)?).ok_or_else(short)
        };
        let half = |field| -> Result<u32, ReadError> {
            self.head.u32(subject.offset(field)?).ok_or_else(short)
        };
        let id = half(Field::PId)?;
        if usize::try_from(id).ok() != Some(index) {
            return Err(ReadError::Implausible(format!("allp[{index}].id is {id}")));
        }
        let mcache = word(Field::PMcache)?;
        if mcache == 0 {
            return Err(ReadError::Implausible(format!(
                "processor {index} has no cache"
            )));
        }
        // Both counters wrap. Copied while a thief moves the head, the queue can seem longer than it can be.
        let queued = half(Field::PRunqtail)?.wrapping_sub(half(Field::PRunqhead)?);
        let next = self.runnext.u64(0).map(|g| u64::from(g != 0));
        let runnable = next.filter(|_| queued <= QUEUE);
        Ok(Processor {
            mcache,
            runnable: runnable.map(|next| next + u64::from(queued)),
            free: self.free.as_ref().and_then(|block| block.u32(0)),
            created: self.created.as_ref().and_then(|block| block.u64(0)),
        })
    }
}
