//! Memory that is damaged in any way, or full of lies: read or refused, never a panic, without end, or out of proportion.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use grtmon::go::{
    MemoryError, MemoryImage, ReadMemory, Subject, process::heap_counters::HeapCounters,
};

use crate::{
    anatomy,
    common::{Build, Fixture, fixture, full_matrix, toolchains},
    look, open,
};

/// Bytes that all readings of one process may take together, a thousand times what they take of a real one.
const MOST_BYTES: usize = 1 << 28;

/// Memory that remembers what was read of it.
struct Recorder<'m> {
    memory: &'m dyn ReadMemory,
    read: RefCell<BTreeMap<u64, Vec<u8>>>,
}

impl ReadMemory for Recorder<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(addr, buf)?;
        let mut read = self.read.borrow_mut();
        if read.get(&addr).is_none_or(|known| known.len() < buf.len()) {
            read.insert(addr, buf.to_vec());
        }
        Ok(())
    }
}

/// Memory that counts what is read of it.
struct Meter<'m> {
    memory: &'m dyn ReadMemory,
    bytes: Cell<usize>,
}

impl ReadMemory for Meter<'_> {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        self.bytes.set(self.bytes.get() + buf.len().max(8));
        assert!(self.bytes.get() < MOST_BYTES, "reads without end");
        self.memory.read(addr, buf)
    }
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// Whether everything could be read; what could not has a reason.
fn is_readable(subject: Subject<'_>, memory: &dyn ReadMemory) -> bool {
    let bytes = Cell::new(0);
    let meter = Meter { memory, bytes };
    let subject = Subject {
        memory: &meter,
        ..subject
    };
    // Also where the other reader refuses.
    let _ = HeapCounters::default().read(&subject);
    match look(subject) {
        Ok(outside) => {
            let unread = outside
                .metrics
                .iter()
                .filter_map(|it| it.value.as_ref().err());
            unread.for_each(|why| assert!(!why.is_empty()));
            true
        }
        Err(why) => {
            let why = why.to_string();
            assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
            false
        }
    }
}

#[test]
fn damaged_memory_is_refused_or_read_but_never_fatal() {
    let rounds = if full_matrix() { 3000 } else { 300 };
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::DEFAULT);
        let anatomy = anatomy(&program);
        let mut target = Fixture::start(&program, &["counters"]);
        target.go_until("quiet");
        let live = open(&target, &anatomy);
        let recorder = Recorder {
            memory: &live.memory,
            read: RefCell::default(),
        };
        assert!(is_readable(live.subject(), &recorder));
        let mut pieces: Vec<(u64, Vec<u8>)> = recorder.read.into_inner().into_iter().collect();
        // Pieces that overlap are mapped shortest first, so that the longest is found.
        pieces.sort_by_key(|(_, bytes)| bytes.len());
        pieces.retain(|(_, bytes)| !bytes.is_empty());
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut refused, mut read) = (0, 0);
        for round in 0..rounds {
            let mut damaged = pieces.clone();
            // From one wrong word to a thousand.
            for _ in 0..1 << (round % 11) {
                let other = &pieces[random.below(pieces.len())];
                let word = match random.below(7) {
                    0 => 0,
                    1 => u64::MAX,
                    2 => random.next(),
                    3 => random.next() >> random.below(64),
                    4 => other.0 + random.below(other.1.len()) as u64,
                    5 => 1 << random.below(64),
                    _ => 1 << 48,
                };
                let (_, bytes) = &mut damaged[random.below(pieces.len())];
                if bytes.is_empty() {
                    continue;
                }
                let at = random.below(bytes.len());
                if random.below(64) == 0 {
                    bytes.truncate(at);
                    continue;
                }
                let at = if random.below(8) == 0 { at } else { at & !7 };
                for (byte, wrong) in bytes[at..].iter_mut().zip(word.to_le_bytes()) {
                    *byte = wrong;
                }
            }
            let mut memory = MemoryImage::new();
            for (addr, bytes) in damaged {
                memory.map(addr, bytes);
            }
            match is_readable(live.subject(), &memory) {
                true => read += 1,
                false => refused += 1,
            }
        }
        eprintln!(
            "Go {}: of {rounds} damaged memories {read} were read, {refused} refused",
            toolchain.version
        );
        assert!(
            refused > 10 && read > 10,
            "{refused} refused, {read} read: not much of a test"
        );
    }
}

/// Memory that has something to say at every address, always the same.
struct Liar {
    kind: u8,
}

impl ReadMemory for Liar {
    fn read(&self, addr: u64, buf: &mut [u8]) -> Result<(), MemoryError> {
        for (at, byte) in (addr..=u64::MAX).zip(buf) {
            let place = at & !7;
            let word = match self.kind {
                0 => 0,
                1 => 1,
                2 => u64::MAX,
                3 => place,
                // Long lists of neighbours, and short ones.
                4 => place.wrapping_add(64),
                5 => place % 4096,
                6 => place % 7,
                _ => place.wrapping_mul(0x2545_f491_4f6c_dd1d),
            };
            *byte = word.to_le_bytes()[usize::try_from(at & 7).unwrap()];
        }
        Ok(())
    }
}

#[test]
fn memory_full_of_lies_is_refused_within_bounds() {
    for toolchain in toolchains() {
        let anatomy = anatomy(&fixture(toolchain, Build::DEFAULT));
        for kind in 0..8 {
            let memory = Liar { kind };
            let subject = Subject {
                memory: &memory,
                anatomy: &anatomy,
                bias: 0,
            };
            assert!(!is_readable(subject, &memory), "kind {kind} was believed");
        }
    }
}
