//! Copies of the runtime's variables, made together: what the figures of a moment are taken from.

use super::block::Block;
use super::heap_stats;
use super::processors::Processors;
use super::runtime_info::{ProcessView, ReadError};
use crate::go::layout::Field;
use crate::go::layout::globals::Globals;
use crate::go::memory::SliceHeader;

/// Copies of all that is read, made with one call.
#[derive(Debug, Clone)]
pub(super) struct Copies {
    /// By [`Variable`], in the order of [`VARIABLES`].
    pub(super) variables: Vec<Option<Block>>,
    /// In the order of [`MHEAP`].
    pub(super) mheap: Vec<Option<Block>>,
    pub(super) heap: Result<Block, ReadError>,
    /// The header of `allgs`: the runtime writes its length last.
    pub(super) allgs: Block,
    pub(super) processors: Processors,
}

/// A global variable that is copied whole.
struct Variable {
    name: &'static str,
    address: fn(&Globals) -> Option<u64>,
    /// A field of each, to find the variable by.
    prefix: &'static str,
    /// Bytes of its widest last member.
    slack: u64,
}

const VARIABLES: [Variable; 4] = [
    Variable {
        name: "sched",
        address: |globals| globals.sched,
        prefix: "schedt.",
        slack: 8,
    },
    Variable {
        name: "memstats",
        address: |globals| globals.memstats,
        prefix: "mstats.",
        slack: 8,
    },
    Variable {
        name: "gcController",
        address: |globals| globals.gc_controller,
        prefix: "gcControllerState.",
        slack: 8,
    },
    Variable {
        name: "work",
        address: |globals| globals.work,
        prefix: "workType.",
        slack: 8,
    },
];

/// Members of `mheap_`, which is too large to be copied.
const MHEAP: [Field; 2] = [Field::MheapSpanallocInuse, Field::MheapCacheallocInuse];

impl Copies {
    /// Finds out where all of it is.
    pub(super) fn locate(view: &ProcessView<'_>) -> Result<Self, ReadError> {
        let allgs = view.global("allgs", |globals| globals.allgs)?;
        let mheap = view.global("mheap_", |globals| globals.mheap);
        let member = |field| Block::new(view.member(mheap.clone()?, field)?, 8);
        let variables = VARIABLES.iter().map(|variable| variable.block(view));
        Ok(Self {
            variables: variables.map(without_unknown).collect::<Result<_, _>>()?,
            mheap: MHEAP
                .into_iter()
                .map(|field| without_unknown(member(field)))
                .collect::<Result<_, _>>()?,
            heap: heap_stats::block(view),
            allgs: Block::new(allgs, SliceHeader::SIZE)?,
            processors: Processors::locate(view)?,
        })
    }

    /// What to read.
    pub(super) fn blocks(&mut self) -> impl Iterator<Item = &mut Block> {
        let variables = self.variables.iter_mut().chain(&mut self.mheap).flatten();
        std::iter::once(&mut self.allgs)
            .chain(self.heap.as_mut().ok())
            .chain(variables)
            .chain(self.processors.blocks())
    }

    /// Room for what tells whether anything moved: the variables, and `allgs` last.
    pub(super) fn shared(&self) -> Vec<Option<Block>> {
        let variables = self.variables.iter().cloned();
        variables.chain([Some(self.allgs.clone())]).collect()
    }
}

/// Which of [`Copies::variables`] has the field.
pub(super) fn variable_of(field: Field) -> Option<usize> {
    let has = |variable: &Variable| field.name().starts_with(variable.prefix);
    VARIABLES.iter().position(has)
}

/// Which of [`Copies::mheap`] it is.
pub(super) fn place_in_mheap(field: Field) -> Option<usize> {
    MHEAP.iter().position(|known| *known == field)
}

/// What is not known is left out: it costs what needs it, nothing else.
fn without_unknown(block: Result<Block, ReadError>) -> Result<Option<Block>, ReadError> {
    match block {
        Ok(block) => Ok(Some(block)),
        Err(ReadError::Unknown(_)) => Ok(None),
        Err(why) => Err(why),
    }
}

impl Variable {
    /// Room for all of its members that are known; histograms and the heap's statistics included.
    fn block(&self, view: &ProcessView<'_>) -> Result<Block, ReadError> {
        let address = view.global(self.name, self.address)?;
        let histogram = view.known(Field::TimeHistogramSize).unwrap_or(0);
        let fields: Vec<(Field, u64)> = Field::ALL
            .iter()
            .filter(|field| field.name().starts_with(self.prefix))
            .map(|field| {
                let is_histogram = HISTOGRAMS.contains(field);
                (*field, if is_histogram { histogram } else { self.slack })
            })
            .collect();
        Block::spanning(view, address, &fields)
    }
}

/// The members that are histograms.
const HISTOGRAMS: [Field; 6] = [
    Field::MstatsGcPauseDist,
    Field::SchedTimeToRun,
    Field::SchedStwStoppingTimeGc,
    Field::SchedStwStoppingTimeOther,
    Field::SchedStwTotalTimeGc,
    Field::SchedStwTotalTimeOther,
];
