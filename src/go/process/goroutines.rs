//! All goroutines of a process, read from its memory while it runs.
//!
//! `allgs` (runtime/proc.go) holds every `g` that was ever made; those in use say where they stopped, and from there
//! their stacks can be walked. The program does not stand still meanwhile, so each goroutine is looked at before and
//! after its stack is copied, and the copy is made twice: it is believed if the goroutine did not move and both copies
//! tell the same way down to its first function. What moved is tried again a few times, and counted if that does not
//! help.
//!
//! Source: runtime/proc.go, runtime2.go and traceback.go, Go 1.19 to 1.27.

use std::collections::HashMap;
use std::sync::Arc;

use super::bubbles;
use super::g::{GLayout, RawG};
use super::halted::Halted;
use super::left_over;
use super::runtime_info::{ReadError, Subject};
use super::stack_copy::{self, StackCopy};
use super::unwind::{Trace, Unwinder};
use super::wait_marks::{Places, WaitMarks};
use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::constant;
use crate::go::layout::Field;
use crate::go::memory::{MemoryError, Piece, ReadMemory};
use crate::go::process::trace_table::TraceTable;
use crate::go::symbolize::code_address::CodeAddress;
use crate::go::symbolize::shown;
use crate::model::dump::{Dump, Goroutine, StackState, State};

/// More goroutines than this are not believed: their records alone would take 8 GiB.
const MAX_GOROUTINES: u64 = 1 << 24;
/// Goroutines looked at together: as many as the kernel copies with one call.
const BATCH: usize = 1024;
/// Bytes of stacks copied together.
const BATCH_BYTES: u64 = 8 << 20;
/// How often a goroutine that moves is looked at.
const ATTEMPTS: usize = 5;
/// Bytes of stacks read in one dump (what is not read then cannot be followed), where it is not known how much memory the process has.
const ALLOWANCE: u64 = 8 << 30;
/// The same where it is known: no stack is part of another, and each is read twice, some again because they moved.
const TIMES_HELD: u64 = 4;
/// Bytes that a process may have more than is known of it: the kernel counts memory by the dozen of pages.
const UNCOUNTED: u64 = 64 << 20;

/// Reads the goroutines of one process, any number of times.
#[derive(Debug)]
pub struct GoroutineReader<'b> {
    tables: Tables<'b>,
    g: GLayout,
    allgs: u64,
    bias: u64,
    wait_reasons: Vec<Arc<str>>,
    marks: Places,
    unwinder: Unwinder<'b>,
    traces: TraceTable<'b>,
    /// The threads, if the process is no more.
    halted: Option<Halted>,
}

/// What takes all goroutines to be known of one of them.
struct About {
    marks: WaitMarks,
    /// The ids of synctest's bubbles, by their addresses.
    bubbles: HashMap<u64, u64>,
}

/// One goroutine in the list, and how far the reader has come with it.
struct Slot {
    addr: u64,
    found: Found,
}

enum Found {
    /// Nothing plausible yet, and what is wrong with it.
    Nothing(Option<&'static str>),
    /// It lies in the part of a core dump that is cut off.
    CutOff,
    Free,
    Alive(RawG, StackState),
}

impl<'b> GoroutineReader<'b> {
    /// For a process that runs `binary`. Only what is known of the process is used here; its memory is not read.
    ///
    /// # Errors
    /// [`ReadError::Unknown`]: what is needed is not known of this binary.
    pub fn new(binary: &'b Binary, process: &Subject<'_>) -> Result<Self, ReadError> {
        let Subject { anatomy, bias, .. } = *process;
        let names = anatomy
            .globals
            .wait_reason_strings
            .and_then(|table| table.names(binary.image()));
        let tables = Tables::with(binary, &anatomy.plugins);
        Ok(Self {
            g: GLayout::of(&anatomy.layout).map_err(|why| ReadError::Unknown(why.to_string()))?,
            allgs: process.global("allgs", |globals| globals.allgs)?,
            bias,
            marks: Places::of(process),
            wait_reasons: names
                .unwrap_or_default()
                .into_iter()
                .map(Arc::from)
                .collect(),
            unwinder: Unwinder::new(binary.image().machine(), tables.clone(), bias),
            traces: TraceTable::with(binary, tables.clone()),
            tables,
            halted: None,
        })
    }

    /// What goroutines of this program can wait for, in the runtime's words; none if they are not known.
    pub fn wait_reasons(&self) -> &[Arc<str>] {
        &self.wait_reasons
    }

    /// The same for a process that is no more: what its threads were at tells where the goroutines were that ran.
    #[must_use]
    pub fn halted(self, threads: Halted) -> Self {
        Self {
            halted: Some(threads),
            ..self
        }
    }

    /// The goroutines that are alive, without their stacks: all of them are [`StackState::Running`] or
    /// [`StackState::Moving`]. Much quicker than [`GoroutineReader::read`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn list(&mut self, memory: &dyn ReadMemory) -> Result<Dump, ReadError> {
        self.collect(memory, false)
    }

    /// The goroutines that are alive, with their stacks.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read(&mut self, memory: &dyn ReadMemory) -> Result<Dump, ReadError> {
        self.collect(memory, true)
    }

    fn collect(&mut self, memory: &dyn ReadMemory, stacks: bool) -> Result<Dump, ReadError> {
        // A reading that was given up may have left stacks behind.
        self.traces.take();
        let held = memory.held().map(|held| held.saturating_add(UNCOUNTED));
        let mut slots: Vec<Slot> = self
            .addresses(memory, held)?
            .into_iter()
            .map(|addr| Slot {
                addr,
                found: Found::Nothing(None),
            })
            .collect();
        let mut allowance = held.map_or(ALLOWANCE, |held| held.saturating_mul(TIMES_HELD));
        let mut open: Vec<&mut Slot> = slots.iter_mut().collect();
        for _ in 0..ATTEMPTS {
            for batch in open.chunks_mut(BATCH) {
                self.look(memory, batch, stacks, &mut allowance)?;
            }
            open.retain(|slot| slot.is_open(stacks));
            // With nothing left to read on, another look would see no more.
            if open.is_empty() || allowance == 0 {
                break;
            }
        }
        self.check(&slots)?;
        let about = self.about(memory, &slots, stacks);
        Ok(self.dump(&slots, &about))
    }

    /// The addresses of all `g`s.
    fn addresses(&self, memory: &dyn ReadMemory, held: Option<u64>) -> Result<Vec<u64>, ReadError> {
        let Some(left) = self.halted.as_ref().and_then(|it| it.left.as_deref()) else {
            return self.listed(memory, held);
        };
        self.listed(memory, held).or_else(|why| {
            let is_code = |pc: u64| self.tables.contains(pc.wrapping_sub(self.bias));
            let found = left_over::goroutines(memory, left, &self.g, is_code);
            if found.is_empty() {
                Err(why)
            } else {
                Ok(found)
            }
        })
    }

    /// Whether the part of memory that is lost may hold goroutines that are not in a dump.
    pub fn may_lack_some(&self, memory: &dyn ReadMemory) -> bool {
        self.is_cut_off() && self.listed(memory, memory.held()).is_err()
    }

    /// The addresses of all `g`s, as the runtime's list has them, of a process that has `held` bytes of memory.
    fn listed(&self, memory: &dyn ReadMemory, held: Option<u64>) -> Result<Vec<u64>, ReadError> {
        let most = held.map_or(MAX_GOROUTINES, |held| held / self.g.size.max(1) as u64);
        let mut fault = "runtime.allgs is not a list of goroutines";
        for _ in 0..ATTEMPTS {
            // The runtime writes the words of the slice one after the other, and may free the old array.
            let header = memory.slice_header(self.allgs)?;
            if header.len == 0 && header.is_plausible() {
                return Err(ReadError::Implausible(
                    "there are no goroutines yet".to_owned(),
                ));
            }
            if !header.is_plausible() || header.len > MAX_GOROUTINES {
                continue;
            }
            if header.len > most {
                fault = "runtime.allgs lists more goroutines than the process has memory for";
                continue;
            }
            let addresses = memory.words(header.ptr, header.len, MAX_GOROUTINES as usize);
            let after = memory.slice_header(self.allgs)?;
            match addresses {
                Ok(addresses) if after.ptr == header.ptr => {
                    if !overlap(&addresses, self.g.size as u64) {
                        return Ok(addresses);
                    }
                    fault = "runtime.allgs lists goroutines more than once";
                }
                Err(why) if why.is_final() => return Err(why.into()),
                _ => {}
            }
        }
        Err(ReadError::Implausible(fault.to_owned()))
    }

    /// Looks at a batch of goroutines once.
    fn look(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &mut [&mut Slot],
        stacks: bool,
        allowance: &mut u64,
    ) -> Result<(), ReadError> {
        let before = self.records(memory, slots)?;
        for (slot, g) in slots.iter_mut().zip(&before) {
            slot.found = match g {
                None if self.is_cut_off() => Found::CutOff,
                None => Found::Nothing(Some("a record that cannot be read")),
                Some(g) if g.is_free() => Found::Free,
                Some(g) => match g.fault(&self.tables, self.bias) {
                    Some(fault) => Found::Nothing(Some(fault)),
                    None if g.state() == constant::G_RUNNING && g.halted_at.is_none() => {
                        Found::Alive(*g, self.running())
                    }
                    None => Found::Alive(*g, StackState::Moving),
                },
            };
        }
        if !stacks {
            return Ok(());
        }
        let mut still: Vec<(&mut Slot, RawG)> = slots
            .iter_mut()
            .filter_map(|slot| match slot.found {
                Found::Alive(g, StackState::Moving) => Some((&mut **slot, g)),
                _ => None,
            })
            .collect();
        let mut rest = still.as_mut_slice();
        while !rest.is_empty() {
            let fits = together(rest);
            let (now, later) = rest.split_at_mut(fits);
            self.walk(memory, now, allowance)?;
            rest = later;
        }
        Ok(())
    }

    /// The records of these goroutines.
    fn records(
        &self,
        memory: &dyn ReadMemory,
        slots: &[&mut Slot],
    ) -> Result<Vec<Option<RawG>>, ReadError> {
        let size = self.g.size;
        let mut bytes = vec![0; size.saturating_mul(slots.len())];
        let mut pieces: Vec<Piece<'_>> = slots
            .iter()
            .zip(bytes.chunks_exact_mut(size))
            .map(|(slot, buf)| Piece::new(slot.addr, buf))
            .collect();
        memory.read_many(&mut pieces)?;
        Ok(pieces
            .iter()
            .map(|piece| {
                let mut g = piece.ok.then(|| self.g.read(piece.buf))??;
                if let (Some(halted), constant::G_RUNNING) = (&self.halted, g.state()) {
                    g.halted_at = halted.place(&g);
                }
                Some(g)
            })
            .collect())
    }

    /// Whether a part of the memory is lost.
    fn is_cut_off(&self) -> bool {
        self.halted.as_ref().is_some_and(|it| it.left.is_some())
    }

    /// What is to be said of the stack of a goroutine that runs.
    fn running(&self) -> StackState {
        match self.halted {
            None => StackState::Running,
            Some(_) => StackState::NotInCore,
        }
    }

    /// Walks the stacks of goroutines that seem not to run.
    fn walk(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &mut [(&mut Slot, RawG)],
        allowance: &mut u64,
    ) -> Result<(), ReadError> {
        let wanted: Vec<(u64, usize)> = slots
            .iter()
            .map(|(_, g)| (g.walk_from().sp, in_use(g)))
            .collect();
        let bytes: usize = wanted.iter().map(|(_, len)| 2 * len).sum();
        *allowance = match allowance.checked_sub(bytes as u64) {
            Some(left) if !self.traces.is_full() => left,
            _ => 0,
        };
        if *allowance == 0 {
            for (slot, g) in slots {
                slot.found = Found::Alive(*g, StackState::Unwalkable);
            }
            return Ok(());
        }
        let first = copy(memory, &wanted)?;
        let second = copy(memory, &wanted)?;
        let (mut one, mut other) = (Trace::default(), Trace::default());
        let mut results = Vec::with_capacity(slots.len());
        let mut at = 0;
        for (((_, g), (sp, len)), read) in slots.iter().zip(&wanted).zip(&first.ok) {
            let to = at + len;
            let part = |copy: &'_ Copy| copy.bytes.get(at..to).unwrap_or_default().to_vec();
            let (a, b) = (part(&first), part(&second));
            at = to;
            let (from, end) = (g.walk_from(), g.stack_hi);
            let mut walk = |bytes: &[u8], trace: &mut Trace| {
                let mut stack = StackCopy::new(*sp, bytes, end, memory, allowance);
                self.unwinder.walk(from, &mut stack, trace)
            };
            let arrived = *read && *len > 0 && walk(&a, &mut one);
            let same = arrived && walk(&b, &mut other) && one == other;
            results.push(match (arrived, same) {
                (true, true) => StackState::Read(self.traces.number(&one)),
                (true, false) => StackState::Moving,
                (false, _) if self.is_cut_off() => StackState::NotInCore,
                (false, _) => StackState::Unwalkable,
            });
        }
        let looked_at: Vec<&mut Slot> = slots.iter_mut().map(|(slot, _)| &mut **slot).collect();
        let after = self.records(memory, &looked_at)?;
        for (((slot, before), state), after) in slots.iter_mut().zip(results).zip(after) {
            let moved = after.is_none_or(|after| !after.is_at_same_place(before));
            let state = if moved { StackState::Moving } else { state };
            slot.found = Found::Alive(*before, state);
        }
        Ok(())
    }

    /// Refuses what cannot be the goroutines of this program.
    fn check(&self, slots: &[Slot]) -> Result<(), ReadError> {
        let mut faults = slots.iter().filter_map(|slot| match slot.found {
            Found::Nothing(fault) => fault,
            _ => None,
        });
        let alive = slots
            .iter()
            .filter(|slot| matches!(slot.found, Found::Alive(..)))
            .count();
        let (first, faulty) = (faults.next(), faults.count() + 1);
        let unwalkable = slots
            .iter()
            .filter(|slot| matches!(slot.found, Found::Alive(_, StackState::Unwalkable)))
            .count();
        let what = match first {
            Some(first) if faulty > alive / 8 => {
                format!("{faulty} of {} goroutines have {first}", faulty + alive)
            }
            _ if alive == 0 => "there is no goroutine".to_owned(),
            _ if unwalkable > 1 && unwalkable > alive / 2 => {
                format!("the stacks of {unwalkable} of {alive} goroutines lead nowhere")
            }
            _ => return Ok(()),
        };
        Err(ReadError::Implausible(format!(
            "runtime.allgs does not hold this program's goroutines: {what}"
        )))
    }

    /// What takes all goroutines to be known of one of them; `waits`: since when they wait, too.
    fn about(&self, memory: &dyn ReadMemory, slots: &[Slot], waits: bool) -> About {
        let alive = || {
            slots.iter().filter_map(|slot| match &slot.found {
                Found::Alive(g, _) => Some((slot.addr, g)),
                _ => None,
            })
        };
        let mut marks = WaitMarks::default();
        if waits {
            marks = self.marks.read(memory);
            marks.settle(alive().map(|(_, g)| g.waitsince));
        }
        About {
            marks,
            bubbles: bubbles::ids(memory, alive().map(|(addr, g)| (addr, g.bubble))),
        }
    }

    fn dump(&mut self, slots: &[Slot], about: &About) -> Dump {
        let mut dump = Dump::default();
        for slot in slots {
            match &slot.found {
                Found::Free => {}
                Found::Nothing(_) => dump.missing.goroutines += 1,
                Found::CutOff => dump.missing.cut_off += 1,
                Found::Alive(g, stack) => {
                    match stack {
                        StackState::Moving => dump.missing.moving += 1,
                        StackState::Unwalkable => dump.missing.unwalkable += 1,
                        _ => {}
                    }
                    let goroutine = self.describe(slot.addr, g, *stack, about);
                    dump.goroutines.push(goroutine);
                }
            }
        }
        dump.stacks = self.traces.take();
        dump
    }

    /// The number of the goroutine that was run by the thread which died, in a process that is no more; `None` if it ran
    /// none, or which it was is lost.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn died_in(&self, subject: &Subject<'_>) -> Result<Option<u64>, ReadError> {
        let Some(halted) = &self.halted else {
            return Ok(None);
        };
        let memory = subject.memory;
        for addr in self.addresses(memory, memory.held())? {
            let mut bytes = vec![0; self.g.size];
            if memory.read(addr, &mut bytes).is_err() {
                continue;
            }
            let thread = || -> Result<u64, ReadError> {
                let m = memory.u64(subject.member(addr, Field::GM)?)?;
                Ok(memory.u64(subject.member(m, Field::MProcid)?)?)
            };
            if let Some(g) = self.g.read(&bytes).filter(|g| !g.is_free())
                && halted.died_in(&g, thread().ok())
            {
                return Ok(Some(g.goid));
            }
        }
        Ok(None)
    }

    fn describe(&mut self, address: u64, g: &RawG, stack: StackState, about: &About) -> Goroutine {
        let state = state(g.state());
        let waits = matches!(state, State::Waiting | State::Leaked);
        let reason = self.wait_reasons.get(usize::from(g.waitreason));
        // Number 0 is "no reason given" (`waitReasonZero`).
        let reason = reason.filter(|_| waits && g.waitreason != 0).cloned();
        let blocked = waits || state == State::Syscall;
        let since_ns = Some(g.waitsince).filter(|since| blocked && *since != 0);
        let bubble = about.bubbles.get(&g.bubble).copied();
        let durable = bubble.is_some() && reason.as_deref().is_some_and(bubbles::is_durable);
        let link_time = |pc: u64| {
            let known = pc.wrapping_sub(self.bias);
            (pc != 0 && self.tables.contains(known)).then_some(known)
        };
        let (start, created) = (link_time(g.startpc), link_time(g.gopc));
        let at = |pc, is_return| CodeAddress { pc, is_return };
        let own_start = start.and_then(|pc| self.traces.function(at(pc, false)));
        let start = start.and_then(|pc| self.traces.start(pc));
        let created = created.and_then(|pc| self.traces.function(at(pc, true)));
        let calls_out = match stack {
            StackState::Read(number) => self.traces.stack(number).is_some_and(|stack| {
                let mut names = stack.frames.iter().map(|frame| &frame.place.function);
                names.any(|name| {
                    !name.starts_with("runtime.") && !name.starts_with("internal/runtime/")
                })
            }),
            _ => false,
        };
        let name = own_start
            .as_ref()
            .map_or("", |start| start.function.as_str());
        let shown_creator = |name: &str| self.traces.rules().shows_creator(name);
        Goroutine {
            goid: g.goid,
            address,
            state,
            wait_reason: reason,
            since_ns,
            blocked_by_ns: since_ns.and_then(|since| about.marks.latest(since)),
            bubble,
            durable,
            scanned: g.status & constant::G_SCAN != 0,
            locked: g.locked,
            system: shown::is_system(name, calls_out),
            stack,
            creator: g.parent_goid.filter(|goid| *goid != 0),
            created: created.filter(|created| g.goid != 1 && shown_creator(&created.function)),
            start,
        }
    }
}

impl Slot {
    /// Whether it is worth another look.
    fn is_open(&self, stacks: bool) -> bool {
        match self.found {
            Found::Nothing(_) => true,
            Found::Alive(_, StackState::Moving | StackState::Unwalkable) => stacks,
            _ => false,
        }
    }
}

/// Whether some of these lie less than `size` bytes apart.
fn overlap(addresses: &[u64], size: u64) -> bool {
    let mut sorted = addresses.to_vec();
    sorted.sort_unstable();
    let pairs = sorted.iter().zip(sorted.iter().skip(1));
    pairs.into_iter().any(|(one, next)| next - one < size)
}

/// What was copied of several stacks, one behind the other, and of which the copy is good.
struct Copy {
    bytes: Vec<u8>,
    ok: Vec<bool>,
}

/// Copies pieces of memory, each given by address and length in bytes.
fn copy(memory: &dyn ReadMemory, wanted: &[(u64, usize)]) -> Result<Copy, MemoryError> {
    let mut bytes = vec![0; wanted.iter().map(|(_, len)| len).sum()];
    let mut rest = bytes.as_mut_slice();
    let mut pieces = Vec::with_capacity(wanted.len());
    for (addr, len) in wanted {
        let (piece, more) = rest.split_at_mut(*len);
        rest = more;
        pieces.push(Piece::new(*addr, piece));
    }
    memory.read_many(&mut pieces)?;
    let ok = pieces.iter().map(|piece| piece.ok).collect();
    Ok(Copy { bytes, ok })
}

/// How many bytes of a stack to copy at first: what is in use, if it is not much. None if the stack pointer is not on
/// the stack.
fn in_use(g: &RawG) -> usize {
    let sp = g.walk_from().sp;
    let used = g.stack_hi.checked_sub(sp).filter(|_| sp >= g.stack_lo);
    usize::try_from(used.unwrap_or(0).min(stack_copy::FIRST)).unwrap_or(0)
}

/// How many of these are to be copied together: at least one.
fn together(slots: &[(&mut Slot, RawG)]) -> usize {
    let mut bytes = 0;
    let fitting = slots.iter().take_while(|(_, g)| {
        bytes += in_use(g) as u64;
        bytes <= BATCH_BYTES
    });
    fitting.count().max(1)
}

fn state(status: u32) -> State {
    match status {
        constant::G_RUNNABLE => State::Runnable,
        constant::G_RUNNING => State::Running,
        constant::G_SYSCALL => State::Syscall,
        constant::G_COPYSTACK => State::Copystack,
        constant::G_PREEMPTED => State::Preempted,
        constant::G_LEAKED => State::Leaked,
        _ => State::Waiting,
    }
}
