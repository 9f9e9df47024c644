//! The body of a function that stands inlined in the code of another one, and the probe sites in it.
//!
//! Nothing tells where its arguments are there. What can be told is when it begins, and what the operands of a few
//! instructions are that no other function of the kind has.

use std::sync::Arc;

use super::body::Body;
use crate::go::isa::instruction::{Flow, Instruction};
use crate::go::pclntab::inline::Copy;
use crate::go::site::{NoSite, Operands, Site, SiteKind};

/// An inlined body, in the decoded code of the function in which it stands.
#[derive(Clone, Debug)]
pub struct Copied<'i> {
    body: Body<'i>,
    copy: Copy<'i>,
    /// Entries of functions that do not come back.
    no_return: Arc<[u64]>,
}

impl<'i> Copied<'i> {
    /// `copy` in the function `body`; calls of `no_return` do not come back.
    pub fn new(body: Body<'i>, copy: Copy<'i>, no_return: Arc<[u64]>) -> Self {
        Self {
            body,
            copy,
            no_return,
        }
    }

    /// Where it stands.
    pub fn copy(&self) -> &Copy<'i> {
        &self.copy
    }

    /// The function in which it stands.
    pub fn host(&self) -> &Body<'i> {
        &self.body
    }

    /// An error of this copy: `what` is not to be found in it.
    pub fn none(&self, what: &str) -> NoSite {
        let Copy { name, within, .. } = &self.copy;
        let offset = self.copy.call.saturating_sub(within.entry);
        NoSite::new(format!(
            "{name} is inlined into {}+{offset:#x}, and has {what} there",
            within.name
        ))
    }

    /// Whether the instruction at this place of the code belongs to it.
    pub fn contains(&self, index: usize) -> bool {
        let address = self.body.code().get(index).map(Instruction::address);
        address.is_some_and(|address| {
            self.copy
                .ranges
                .iter()
                .any(|range| range.contains(&address))
        })
    }

    /// Whether the other copy stands within this one.
    pub fn holds(&self, other: &Copied<'_>) -> bool {
        self.copy.within.entry == other.copy.within.entry
            && other.copy.ranges.iter().all(|inner| {
                let outer = &self.copy.ranges;
                outer
                    .iter()
                    .any(|outer| outer.start <= inner.start && inner.end <= outer.end)
            })
    }

    /// The places of its instructions.
    pub fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.body.code().instructions().len()).filter(|index| self.contains(*index))
    }

    /// Where it is seen each time that it runs, once.
    ///
    /// # Errors
    /// No instruction of it is on every way through it.
    pub fn once(&self) -> Result<Site, NoSite> {
        let code = self.body.code();
        let mark = code
            .index_of(self.copy.call)
            .filter(|mark| code.get(*mark).is_some_and(Instruction::is_nop))
            .filter(|mark| code.is_emulated(*mark) && self.is_passed_first(*mark));
        if let Some(mark) = mark {
            return self.body.site(mark, SiteKind::Copy);
        }
        let first = self
            .indices()
            .find(|index| self.is_passed_first(*index))
            .ok_or_else(|| self.none("no instruction with which it begins"))?;
        self.body.site(self.cheaper(first), SiteKind::Copy)
    }

    /// An emulated instruction that is run as often as the one at `first` and before control flow divides, or `first`.
    fn cheaper(&self, first: usize) -> usize {
        let code = self.body.code();
        let mut index = first;
        while let Some(instruction) = code.get(index) {
            if index != first && !code.jumped_to(index..index + 1).is_empty() {
                break;
            }
            if code.is_emulated(index) {
                return index;
            }
            if instruction.flow() != Flow::Next {
                break;
            }
            index += 1;
        }
        first
    }

    /// Whether every way to an instruction of the copy leads over `place`, and none from there through the copy back.
    fn is_passed_first(&self, place: usize) -> bool {
        let reached = self.reachable(0, |index| index == place);
        let around = self
            .indices()
            .any(|index| index != place && reached.get(index).copied().unwrap_or(true));
        if around {
            return false;
        }
        // A loop within the copy: over its own instructions only.
        let next = self.successors(place);
        !next.into_iter().any(|next| {
            let again = self.reachable(next, |index| index != place && !self.contains(index));
            self.contains(next) && again.get(place).copied().unwrap_or(true)
        })
    }

    /// The `call` instructions in it that call one of `entries`.
    ///
    /// # Errors
    /// The code of one is not in the file.
    pub fn call_sites(&self, entries: &[u64]) -> Result<Vec<Site>, NoSite> {
        self.body
            .code()
            .calls_to(entries)
            .filter(|index| self.contains(*index))
            .map(|index| self.body.site(index, SiteKind::Call))
            .collect()
    }

    /// The only conditional branch in it, of those at addresses that are `own`, that depends on comparing a global variable with 0.
    ///
    /// # Errors
    /// There is none, or several.
    pub fn branch_on_global(&self, own: impl Fn(u64) -> bool) -> Result<Site, NoSite> {
        let code = self.body.code();
        let mut branches = self
            .indices()
            .filter(|index| code.branches_on_global(*index))
            .filter(|index| code.get(*index).is_some_and(|it| own(it.address())));
        match (branches.next(), branches.next()) {
            (Some(branch), None) => self.body.site(branch, SiteKind::Branch),
            _ => Err(self.none("no single branch on a global variable")),
        }
    }

    /// The first conditional branch behind it that depends on comparing a global variable with 0, if all ways from here lead
    /// there.
    ///
    /// # Errors
    /// There is none.
    pub fn branch_on_global_after(&self) -> Result<Site, NoSite> {
        let code = self.body.code();
        let inside: Vec<usize> = self.indices().collect();
        let after = inside.last().map_or(0, |last| last + 1);
        (after..code.instructions().len())
            .find(|index| code.branches_on_global(*index) && self.must_pass(&inside, *index))
            .ok_or_else(|| self.none("no branch on a global variable behind it"))
            .and_then(|branch| self.body.site(branch, SiteKind::Branch))
    }

    /// The branch with which the caller tests the result for 0, if all ways from here lead there: the first operand is the
    /// register that holds the result.
    ///
    /// # Errors
    /// There is no such branch.
    pub fn test_of_result(&self) -> Result<Site, NoSite> {
        let code = self.body.code();
        let inside: Vec<usize> = self.indices().collect();
        let after = inside.last().map_or(0, |last| last + 1);
        for index in after..code.instructions().len() {
            let Some(register) = code.tests_for_zero(index) else {
                continue;
            };
            if self.contains(index) || !self.must_pass(&inside, index) {
                continue;
            }
            let site = self.body.site(index, SiteKind::CopyBranch)?;
            return Ok(Site {
                operands: Operands::register(register.0),
                ..site
            });
        }
        Err(self.none("no test of its result"))
    }

    /// Whether no way from `inside` to a return leads around `place`.
    fn must_pass(&self, inside: &[usize], place: usize) -> bool {
        let code = self.body.code();
        let returns: Vec<usize> = code.returns().collect();
        inside.iter().all(|from| {
            let reached = self.reachable(*from, |index| index == place);
            returns
                .iter()
                .all(|it| !reached.get(*it).copied().unwrap_or(true))
        })
    }

    /// Which instructions can be reached from `from` without going on from one that is a wall; walls are not reached.
    fn reachable(&self, from: usize, wall: impl Fn(usize) -> bool) -> Vec<bool> {
        let mut reached = vec![false; self.body.code().instructions().len()];
        let mut open = vec![from];
        while let Some(index) = open.pop() {
            match reached.get_mut(index) {
                Some(seen) if !*seen && !wall(index) => *seen = true,
                _ => continue,
            }
            open.extend(self.successors(index));
        }
        reached
    }

    /// What may run after the instruction at `index`. Callees come back, but for a few.
    fn successors(&self, index: usize) -> Vec<usize> {
        let code = self.body.code();
        let Some(instruction) = code.get(index) else {
            return Vec::new();
        };
        let ends = instruction
            .call_target()
            .is_some_and(|callee| self.no_return.contains(&callee));
        let target = instruction.jump_target().and_then(|to| code.index_of(to));
        let next = (instruction.falls_through() && !ends).then_some(index + 1);
        next.into_iter().chain(target).collect()
    }
}
