//! All goroutines of a process, read from its memory while it runs.
//!
//! `allgs` (runtime/proc.go) holds every `g` that was ever made; those in use say where they stopped, and from there
//! their stacks can be walked. The program does not stand still meanwhile, so each goroutine is looked at before and
//! after its stack is copied, and the copy is made twice: it is believed if the goroutine did not move and both copies
//! tell the same way down to its first function. What moved is tried again a few times, and counted if that does not
//! help.
//!
//! Source: runtime/proc.go, runtime2.go and traceback.go, Go 1.19 to 1.27.

mod describe;
mod labels;
mod list;
mod sample;
mod walk;

use std::sync::Arc;

pub use self::sample::Picked;

use super::g::{GLayout, RawG};
use super::halted::Halted;
use super::label_sets::LabelSets;
use super::runtime_info::{ProcessView, ReadError};
use super::unwind::Unwinder;
use super::wait_marks::Places;
use crate::go::binary::Binary;
use crate::go::binary::plugins::Tables;
use crate::go::constant;
use crate::go::layout::Field;
use crate::go::memory::{Piece, ReadMemory};
use crate::go::process::trace_table::TraceTable;
use crate::model::dump::{Dump, StackState};

/// More goroutines than this are not believed: their records alone would take 8 GiB.
const MAX_GOROUTINES: u64 = 1 << 24;
/// Goroutines looked at together: as many as the kernel copies with one call.
const BATCH: usize = 1024;
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
    /// `None`: labels cannot be read.
    label_sets: Option<LabelSets>,
    /// The threads, if the process is no more.
    halted: Option<Halted>,
}

/// What is wanted of goroutines beside what their records say.
enum Wanted {
    /// Nothing.
    Counted,
    /// Their labels; so many collections had begun before.
    Labels { begun: Option<u32> },
    /// Since when they wait, too.
    All { begun: Option<u32> },
}

/// One goroutine in the list, and how far the reader has come with it.
struct Slot {
    addr: u64,
    found: Found,
}

#[derive(Clone, Copy)]
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
    pub fn new(binary: &'b Binary, process: &ProcessView<'_>) -> Result<Self, ReadError> {
        let ProcessView {
            runtime_info, bias, ..
        } = *process;
        let names = runtime_info
            .globals
            .wait_reason_strings
            .and_then(|table| table.names(binary.image()));
        let tables = Tables::with(binary, &runtime_info.plugins);
        Ok(Self {
            g: GLayout::of(&runtime_info.layout)
                .map_err(|why| ReadError::Unknown(why.to_string()))?,
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
            label_sets: LabelSets::of(binary, process),
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
        let begun = self.begun(memory);
        let held = memory.held().map(|held| held.saturating_add(UNCOUNTED));
        let mut slots: Vec<Slot> = self
            .addresses(memory, held)?
            .into_iter()
            .map(Slot::new)
            .collect();
        let mut allowance = held.map_or(ALLOWANCE, |held| held.saturating_mul(TIMES_HELD));
        self.settle(memory, &mut slots, stacks, &mut allowance)?;
        self.check(&slots)?;
        let wanted = match stacks {
            true => Wanted::All { begun },
            false => Wanted::Counted,
        };
        Ok(self.dump(memory, &slots, &wanted))
    }

    /// How many collections have begun, if labels can be read.
    fn begun(&self, memory: &dyn ReadMemory) -> Option<u32> {
        self.label_sets.as_ref()?.begun(memory)
    }

    /// Looks at goroutines until each has held still, or has been looked at often enough.
    fn settle(
        &mut self,
        memory: &dyn ReadMemory,
        slots: &mut [Slot],
        stacks: bool,
        allowance: &mut u64,
    ) -> Result<(), ReadError> {
        let mut open: Vec<&mut Slot> = slots.iter_mut().collect();
        open.retain(|slot| slot.is_open(stacks));
        for _ in 0..ATTEMPTS {
            for batch in open.chunks_mut(BATCH) {
                self.look(memory, batch, stacks, allowance)?;
            }
            open.retain(|slot| slot.is_open(stacks));
            // With nothing left to read on, another look would see no more.
            if open.is_empty() || *allowance == 0 {
                break;
            }
        }
        Ok(())
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
        self.walk_all(memory, &mut still, allowance)
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

    /// The number of the goroutine that was run by the thread which died, in a process that is no more; `None` if it ran
    /// none, or which it was is lost.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn died_in(&self, view: &ProcessView<'_>) -> Result<Option<u64>, ReadError> {
        let Some(halted) = &self.halted else {
            return Ok(None);
        };
        let memory = view.memory;
        for addr in self.addresses(memory, memory.held())? {
            let mut bytes = vec![0; self.g.size];
            if memory.read(addr, &mut bytes).is_err() {
                continue;
            }
            let thread = || -> Result<u64, ReadError> {
                let m = memory.u64(view.member(addr, Field::GM)?)?;
                Ok(memory.u64(view.member(m, Field::MProcid)?)?)
            };
            if let Some(g) = self.g.read(&bytes).filter(|g| !g.is_free())
                && halted.died_in(&g, thread().ok())
            {
                return Ok(Some(g.goid));
            }
        }
        Ok(None)
    }
}

impl Slot {
    /// Not looked at yet.
    fn new(addr: u64) -> Self {
        Self {
            addr,
            found: Found::Nothing(None),
        }
    }

    /// Whether it is worth another look.
    fn is_open(&self, stacks: bool) -> bool {
        match self.found {
            Found::Nothing(_) => true,
            Found::Alive(_, StackState::Moving | StackState::Unwalkable) => stacks,
            _ => false,
        }
    }
}
