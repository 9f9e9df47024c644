//! Goes through the contents of a heap: once through all that can hold pointers, then through what has become known.

use std::collections::HashMap;

use super::graph::Graph;
use super::kinds::{Key, UNKNOWN};
use super::scan::Step;
use super::span::Span;
use crate::go::memory::{MemoryError, Piece, ReadMemory};

/// Bytes that are read at once.
const BATCH: u64 = 1 << 20;

/// Of one object no more is read at once.
const WINDOW: u64 = 4 << 20;

/// What a process holds is read so many times at most, and a little more.
const TIMES: u64 = 4;
const A_LITTLE: u64 = 64 << 20;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Bytes that can hold pointers.
    pub(super) bytes: u64,
    /// Spans whose contents could not be read.
    pub(super) unread: u64,
    /// Objects that were so large that only their beginnings were followed.
    pub(super) cut: u64,
    /// Whether following was given up before everything was followed.
    pub(super) is_given_up: bool,
    /// Objects that say themselves of which type they are, and how many of them say something that is no type.
    pub(super) headers: u64,
    pub(super) wrong: u64,
}

/// The bytes of a span, and its number.
type Contents = (usize, Box<[u8]>);

/// Who goes.
pub(super) struct Walk<'g, 'v> {
    pub(super) graph: &'g mut Graph<'v>,
    memory: &'v dyn ReadMemory,
    /// Contents that are kept, by the number of the span, and how many bytes may be.
    kept: HashMap<usize, Box<[u8]>>,
    room: u64,
    /// Bytes that may still be read.
    left: u64,
    walked: Walked,
}

impl<'g, 'v> Walk<'g, 'v> {
    pub(super) fn new(graph: &'g mut Graph<'v>, memory: &'v dyn ReadMemory, room: u64) -> Self {
        // Who asks allows a tenth of it.
        let held = memory.held().unwrap_or(room.saturating_mul(10));
        Self {
            left: held.saturating_mul(TIMES).saturating_add(A_LITTLE),
            graph,
            memory,
            kept: HashMap::new(),
            room,
            walked: Walked::default(),
        }
    }

    /// Follows interfaces in variables, then everything.
    ///
    /// # Errors
    /// Nothing more can be read.
    pub(super) fn all(mut self, variables: &[(u64, u64)]) -> Result<Walked, MemoryError> {
        for (start, end) in variables {
            self.variables(*start, *end)?;
        }
        self.first()?;
        self.rest()?;
        match self.graph.types.chunks.ended.take() {
            Some(why) => Err(why),
            None => Ok(self.walked),
        }
    }

    fn variables(&mut self, start: u64, end: u64) -> Result<(), MemoryError> {
        let mut buffer = vec![0; BATCH as usize + 8];
        let mut at = start;
        while at < end {
            // An interface can lie on both sides of the end.
            let len = (end - at).min(BATCH + 8);
            let bytes = buffer.get_mut(..len as usize).unwrap_or_default();
            match self.memory.read(at, bytes) {
                Ok(()) => self.graph.interfaces(bytes),
                Err(why) if why.is_final() => return Err(why),
                Err(_) => self.walked.unread += 1,
            }
            if !self.spend(BATCH) {
                break;
            }
            at += BATCH;
        }
        Ok(())
    }

    fn span(&self, index: usize) -> Option<Span> {
        self.graph.spans.all.get(index).copied()
    }

    /// Once through all that can hold pointers.
    fn first(&mut self) -> Result<(), MemoryError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for index in 0..self.graph.spans.all.len() {
            let Some(span) = self.span(index).filter(|span| span.has_pointers) else {
                continue;
            };
            self.walked.bytes += span.bytes();
            if span.class == 0 {
                self.large(&span, true)?;
                continue;
            }
            if !self.spend(span.bytes()) {
                break;
            }
            bytes += span.bytes();
            batch.push(index);
            if bytes >= BATCH {
                self.look(&batch)?;
                (batch, bytes) = (Vec::new(), 0);
            }
        }
        self.look(&batch)
    }

    fn look(&mut self, batch: &[usize]) -> Result<(), MemoryError> {
        for (index, contents) in self.contents(batch)? {
            if let Some(span) = self.span(index) {
                for number in 0..span.count {
                    let slot = (span.first + number) as usize;
                    if self.graph.spans.is_used(slot) {
                        self.object(&span, number, &contents, true);
                    }
                }
            }
            self.keep(index, contents);
        }
        Ok(())
    }

    /// What was read, by span.
    fn contents(&mut self, batch: &[usize]) -> Result<Vec<Contents>, MemoryError> {
        let mut found = Vec::new();
        for index in batch {
            if let Some(span) = self.span(*index) {
                found.push((*index, vec![0; span.bytes() as usize].into_boxed_slice()));
            }
        }
        let spans = &self.graph.spans.all;
        let mut pieces = Vec::new();
        for (index, contents) in &mut found {
            let start = spans.get(*index).map_or(0, |span| span.start);
            pieces.push(Piece::new(start, contents));
        }
        self.memory.read_many(&mut pieces)?;
        let there: Vec<bool> = pieces.iter().map(|piece| piece.ok).collect();
        let mut there = there.into_iter();
        let before = found.len();
        found.retain(|_| there.next() == Some(true));
        self.walked.unread += (before - found.len()) as u64;
        Ok(found)
    }

    fn keep(&mut self, index: usize, contents: Box<[u8]>) {
        let bytes = contents.len() as u64 + 64;
        if bytes <= self.room && !self.kept.contains_key(&index) {
            self.room -= bytes;
            self.kept.insert(index, contents);
        }
    }

    /// Looks at an object, of whose span these are the bytes. If it is the first time, it may say itself what it is.
    fn object(&mut self, span: &Span, number: u32, contents: &[u8], is_first: bool) {
        let start = u64::from(number) * span.slot;
        let range = start as usize..(start + span.slot) as usize;
        let Some(bytes) = contents.get(range) else {
            return;
        };
        let slot = (span.first + number) as usize;
        let (head, bytes) = match self.graph.header(span) {
            0 => (None, bytes),
            _ => match bytes.split_first_chunk::<8>() {
                Some((head, rest)) => (Some(u64::from_le_bytes(*head)), rest),
                None => return,
            },
        };
        if is_first && let Some(head) = head {
            self.says(span, slot, head);
        }
        self.graph.take(slot);
        self.graph.follow(slot, bytes);
    }

    /// An object says that it is of the type whose descriptor lies there.
    fn says(&mut self, span: &Span, slot: usize, of: u64) {
        // Where it has not been filled yet, it says nothing.
        if of == 0 {
            return;
        }
        self.walked.headers += 1;
        let room = span.slot - self.graph.header(span);
        let id = self.graph.types.at(of);
        let id = id.filter(|id| {
            let found = self.graph.types.get(*id);
            found.is_some_and(|it| it.pointers > 0 && it.size <= room)
        });
        let Some(id) = id else {
            // Types that are made at run time lie in the heap.
            self.walked.wrong += u64::from(!self.graph.is_heap(of));
            return;
        };
        let is_one = self
            .graph
            .types
            .get(id)
            .is_some_and(|it| it.slot == span.slot);
        let key = if is_one { Key::One(id) } else { Key::Many(id) };
        let number = self.graph.kinds.number(key);
        let old = self.graph.numbers.get(slot).copied().unwrap_or(UNKNOWN);
        // Maps, and what is known to be several, are known better by who refers to them.
        if old == UNKNOWN || !self.graph.kinds.is_better(old, number) {
            self.graph.set(slot, number);
        }
    }

    /// Looks at a large object.
    fn large(&mut self, span: &Span, is_first: bool) -> Result<(), MemoryError> {
        let slot = span.first as usize;
        if !self.graph.spans.is_used(slot) {
            return Ok(());
        }
        if is_first {
            self.says(span, slot, span.large_type);
        }
        self.graph.take(slot);
        let number = self.graph.numbers.get(slot).copied().unwrap_or(UNKNOWN);
        let (step, more) = match self.graph.step(number, WINDOW) {
            Step::None => return Ok(()),
            Step::Whole => {
                self.walked.cut += u64::from(span.slot > WINDOW);
                (span.slot, 0)
            }
            Step::Parts(step, more) => (step, more),
        };
        let mut at = 0;
        while at < span.slot {
            let len = (span.slot - at).min(step + more).min(WINDOW + more);
            if !self.window(span, at, len)? {
                break;
            }
            at += step;
        }
        Ok(())
    }

    /// Looks at a part of a large object; whether there was one.
    fn window(&mut self, span: &Span, at: u64, len: u64) -> Result<bool, MemoryError> {
        if !self.spend(len) {
            return Ok(false);
        }
        let mut bytes = vec![0; len as usize];
        match self.memory.read(span.start + at, &mut bytes) {
            Ok(()) if at == 0 => self.graph.follow(span.first as usize, &bytes),
            Ok(()) => self.graph.go_on(span.first as usize, &bytes),
            Err(why) if why.is_final() => return Err(why),
            Err(_) => {
                self.walked.unread += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// So much is to be read; whether it may be. Memory that a process does not hold need not be read, whatever it claims.
    fn spend(&mut self, bytes: u64) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(0);
        self.walked.is_given_up |= left.is_none();
        left.is_some()
    }

    /// Through what has become known, until nothing more does.
    fn rest(&mut self) -> Result<(), MemoryError> {
        loop {
            let (mut batch, mut bytes) = (Vec::new(), 0);
            while bytes < BATCH
                && let Some(index) = self.graph.next_span()
            {
                let Some(span) = self.span(index) else {
                    continue;
                };
                if span.class == 0 {
                    if self.graph.next_slot(&span).is_some() {
                        self.large(&span, false)?;
                    }
                } else if let Some(contents) = self.kept.remove(&index) {
                    self.pending(&span, &contents);
                    self.kept.insert(index, contents);
                } else {
                    bytes += span.bytes();
                    batch.push(index);
                }
            }
            if batch.is_empty() {
                return Ok(());
            }
            if !self.spend(bytes) {
                return Ok(());
            }
            for (index, contents) in self.contents(&batch)? {
                if let Some(span) = self.span(index) {
                    self.pending(&span, &contents);
                }
                self.keep(index, contents);
            }
        }
    }

    /// Looks at all objects of a span that are to be looked at, until there are none.
    fn pending(&mut self, span: &Span, contents: &[u8]) {
        while let Some(slot) = self.graph.next_slot(span) {
            let number = (slot as u32).wrapping_sub(span.first);
            self.object(span, number, contents, false);
        }
    }
}
