//! The runtime's processors (`allp []*p`, runtime/runtime2.go): what each has counted for itself.

use super::block::{Block, read_all};
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;

/// More processors than any machine has; what claims more is garbage.
const MOST: u64 = 1 << 12;

/// One `p`, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::go) struct Processor {
    /// `p.mcache`.
    pub(in crate::go) mcache: Option<u64>,
    /// Goroutines in its run queue, `runnext` included; `None` if this is not known.
    pub(in crate::go) runnable: Option<u64>,
    /// Whether the copy caught its run queue between two states.
    pub(in crate::go) is_torn: bool,
    /// `p.gFree.size`: dead `g`s it keeps; `None` if this is not known.
    pub(in crate::go) free: Option<u32>,
    /// `p.goroutinesCreated`, from Go 1.26 on.
    pub(in crate::go) created: Option<u64>,
}

/// Places of the run queue (`p.runq`, runtime/runtime2.go, Go 1.19 to 1.27).
const QUEUE: u32 = 256;

/// Reads all processors.
///
/// # Errors
/// They cannot be read, or are not what they are taken for: `allp[i].id` is i, and each has a cache.
pub(in crate::go) fn read(view: &ProcessView<'_>) -> Result<Vec<Processor>, ReadError> {
    let mut processors = Processors::locate(view)?;
    read_all(view, processors.blocks())?;
    processors.decode(view)
}

/// Room for all processors, to be read together with other things.
#[derive(Debug, Clone)]
pub(in crate::go) struct Processors {
    parts: Vec<Parts>,
}

impl Processors {
    /// Finds them.
    ///
    /// # Errors
    /// Where they are is not known, or not readable, or there are more than there can be.
    pub(in crate::go) fn locate(view: &ProcessView<'_>) -> Result<Self, ReadError> {
        let allp = view.global("allp", |globals| globals.allp)?;
        let header = view.memory.slice_header(allp)?;
        if !header.is_plausible() || header.len == 0 || header.len > MOST {
            return Err(ReadError::Implausible(format!(
                "there are {} processors",
                header.len
            )));
        }
        let most = usize::try_from(MOST).unwrap_or(usize::MAX);
        let addresses = view.memory.words(header.ptr, header.len, most)?;
        let parts = addresses.iter().map(|address| Parts::of(view, *address));
        Ok(Self {
            parts: parts.collect::<Result<_, _>>()?,
        })
    }

    /// What to read.
    pub(in crate::go) fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        self.parts.iter_mut().flat_map(Parts::blocks)
    }

    /// What was read.
    ///
    /// # Errors
    /// As [`read`].
    pub(in crate::go) fn decode(
        &self,
        view: &ProcessView<'_>,
    ) -> Result<Vec<Processor>, ReadError> {
        let read = self.parts.iter().enumerate();
        read.map(|(index, parts)| parts.decode(view, index))
            .collect()
    }
}

/// A `p` has over 10 KiB, most of it timers, queues and buffers: only what is needed is copied.
#[derive(Debug, Clone)]
struct Parts {
    /// From `id` to `runqtail`.
    head: Block,
    runnext: Option<Block>,
    free: Option<Block>,
    created: Option<Block>,
}

impl Parts {
    fn of(view: &ProcessView<'_>, address: u64) -> Result<Self, ReadError> {
        let head = [
            (Field::PId, 4),
            (Field::PMcache, 8),
            (Field::PRunqhead, 4),
            (Field::PRunqtail, 4),
        ];
        let optional = |field, width| match view.known(field) {
            Some(offset) => Block::new(address.wrapping_add(offset), width).map(Some),
            None => Ok(None),
        };
        Ok(Self {
            head: Block::spanning(view, address, &head)?,
            runnext: optional(Field::PRunnext, 8)?,
            free: optional(Field::PGFreeSize, 4)?,
            created: optional(Field::PGoroutinesCreated, 8)?,
        })
    }

    fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        std::iter::once(&mut self.head)
            .chain(&mut self.runnext)
            .chain(&mut self.free)
            .chain(&mut self.created)
    }

    fn decode(&self, view: &ProcessView<'_>, index: usize) -> Result<Processor, ReadError> {
        let short = || ReadError::Implausible("a processor is cut short".to_owned());
        let half = |field| -> Result<Option<u32>, ReadError> {
            let at = view.known(field);
            at.map(|at| self.head.u32(at).ok_or_else(short)).transpose()
        };
        if let Some(id) = half(Field::PId)?
            && usize::try_from(id).ok() != Some(index)
        {
            return Err(ReadError::Implausible(format!("allp[{index}].id is {id}")));
        }
        let mcache = match view.known(Field::PMcache) {
            Some(at) => Some(self.head.u64(at).ok_or_else(short)?),
            None => None,
        };
        if mcache == Some(0) {
            return Err(ReadError::Implausible(format!(
                "processor {index} has no cache"
            )));
        }
        // Both counters wrap. Copied while a thief moves the head, the queue can seem longer than it can be.
        let (head, tail) = (half(Field::PRunqhead)?, half(Field::PRunqtail)?);
        let queued = tail.zip(head).map(|(tail, head)| tail.wrapping_sub(head));
        let next = self.runnext.as_ref().and_then(|block| block.u64(0));
        let is_torn = queued.is_some_and(|queued| queued > QUEUE);
        let runnable = queued.zip(next).filter(|_| !is_torn);
        Ok(Processor {
            mcache,
            runnable: runnable.map(|(queued, next)| u64::from(queued) + u64::from(next != 0)),
            is_torn,
            free: self.free.as_ref().and_then(|block| block.u32(0)),
            created: self.created.as_ref().and_then(|block| block.u64(0)),
        })
    }
}
