//! Checks a [`Layout`] against the live process that it is to be used on.
//!
//! A layout can be wrong: a patched toolchain, a patch release newer than the table. So before a
//! reading of memory is shown as a number, it is asked to prove itself on facts that hold in every Go
//! program: the first goroutine has id 1 and was started at `runtime.main`, `allp[i].id` is `i`, the
//! thread that runs a goroutine is the one that the goroutine says it runs on. Each such [claim](Claim)
//! names the fields that it depends on, so a failure says where to look.
//!
//! The process goes on running meanwhile: claims about what changes all the time are put to many
//! objects, and the whole is repeated a few times; a claim that ever holds is believed. Whatever is
//! read may be garbage, so every list is bounded and no pointer is followed further than one member.
//!
//! The claims hold for Go 1.19 to 1.27; the Go source is named beside each group of them.

mod allocator;
mod claim;
mod collector;
mod discover;
mod examined;
mod goroutines;
mod heap;
mod pages;
mod profiling;
mod reader;
mod scheduler;

use std::fmt;

use self::claim::Claims;
use self::pages::Pages;
use crate::go::layout::{Fact, Field, Layout, Origin};
use crate::go::memory::MemoryError;

pub use self::claim::Claim;
pub use self::examined::Examined;

/// How often a failing check is repeated before it is believed.
const ATTEMPTS: usize = 4;

/// What came of checking.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// All claims, each with how often it was found true and false.
    pub claims: Vec<Claim>,
    /// Fields that were unknown and have been found in the process, with their values.
    pub discovered: Vec<(Field, u32)>,
    /// Why checking ended early: the process has ended, or may not be read.
    pub ended: Option<MemoryError>,
}

impl Report {
    /// The claims that turned out to be false.
    pub fn failures(&self) -> impl Iterator<Item = &Claim> {
        self.claims.iter().filter(|claim| claim.has_failed())
    }

    /// Whether at least one claim that depends on this field holds, and would not if the field were elsewhere.
    pub fn confirms(&self, field: Field) -> bool {
        self.proof(field).is_some()
    }

    /// The first such claim.
    pub fn proof(&self, field: Field) -> Option<&Claim> {
        let proves = |claim: &&Claim| claim.proves && claim.holds();
        let mut proofs = self.claims.iter().filter(proves);
        proofs.find(|claim| claim.fields.contains(&field))
    }

    /// The fields that are to blame for the failures: those of a failed claim that no other claim
    /// confirms, or all of them if each is confirmed elsewhere.
    pub fn suspects(&self) -> Vec<(Field, &Claim)> {
        let mut suspects: Vec<(Field, &Claim)> = Vec::new();
        for claim in self.failures() {
            let fields = claim.fields.iter().copied();
            let unconfirmed: Vec<Field> = fields.filter(|field| !self.confirms(*field)).collect();
            let blamed = if unconfirmed.is_empty() {
                claim.fields
            } else {
                &unconfirmed
            };
            for field in blamed {
                if !suspects.iter().any(|(seen, _)| seen == field) {
                    suspects.push((*field, claim));
                }
            }
        }
        suspects
    }
}

impl fmt::Display for Report {
    /// One line: everything is well, or which claims failed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.claims.iter().filter(|claim| claim.holds()).count();
        let unmade = self.claims.len() - held - self.failures().count();
        write!(f, "{held} checks hold")?;
        if unmade > 0 {
            write!(f, ", {unmade} could not be made")?;
        }
        for failure in self.failures() {
            write!(f, "; {failure}")?;
        }
        if !self.discovered.is_empty() {
            let names: Vec<&str> = self
                .discovered
                .iter()
                .map(|(field, _)| field.name())
                .collect();
            write!(f, "; found in the process: {}", names.join(", "))?;
        }
        match &self.ended {
            Some(why) => write!(f, "; not finished: {why}"),
            None => Ok(()),
        }
    }
}

/// Checks a layout, without changing it.
pub fn check(layout: &Layout, live: &Examined<'_>) -> Report {
    let pages = Pages::new(live.memory);
    let live = Examined {
        memory: &pages,
        ..live.clone()
    };
    let mut claims = Claims::new(layout, &live, &pages);
    for _ in 0..ATTEMPTS {
        goroutines::check(&mut claims);
        scheduler::check(&mut claims);
        allocator::check(&mut claims);
        heap::check(&mut claims);
        collector::check(&mut claims);
        profiling::check(&mut claims);
        if !claims.end_attempt() {
            break;
        }
    }
    Report {
        claims: claims.all,
        discovered: Vec::new(),
        ended: claims.ended,
    }
}

/// Checks a layout and makes the best of it: fields that are wrong become unknown, unknown fields that
/// can be found in the process become known, and assumptions that hold become confirmed.
pub fn settle(layout: &mut Layout, live: &Examined<'_>) -> Report {
    let mut report = check(layout, live);
    if report.ended.is_some() {
        return report;
    }
    doubt(layout, &report);
    let discovered = discover::all(layout, live);
    for (field, value) in &discovered {
        layout.learn(*field, *value);
    }
    if !discovered.is_empty() {
        report = check(layout, live);
        doubt(layout, &report);
        report.discovered = discovered;
    }
    confirm(layout, &report);
    report
}

/// Makes unknown what has turned out to be wrong, and what lies in the same structure without proof: what a vendor added
/// has moved all that follows. A member is proven by a claim of its own, or by one about a member behind it; and nothing
/// is held against what the binary itself says.
fn doubt(layout: &mut Layout, report: &Report) {
    let suspects = report.suspects();
    for (field, claim) in &suspects {
        layout.forget(*field, &claim.to_string());
    }
    for (suspect, claim) in &suspects {
        let proven = |layout: &Layout, other: Field| {
            report.confirms(other)
                || matches!(layout.fact(other), Fact::Known(_, origin) if origin.is_of_binary())
        };
        let members: Vec<(Field, u32, bool)> = Field::ALL
            .iter()
            .filter(|field| !field.is_size() && field.structure() == suspect.structure())
            .filter_map(|field| Some((*field, layout.hint(*field)?, proven(layout, *field))))
            .collect();
        let last = members.iter().filter(|it| it.2).map(|it| it.1).max();
        for (field, offset, is_proven) in members {
            if !is_proven && last.is_none_or(|last| last < offset) {
                let why =
                    format!("it is beside {suspect}, which is not where it was expected: {claim}");
                layout.forget(field, &why);
            }
        }
    }
}

/// Marks assumed fields as confirmed: those of claims that hold, and those that lie before one of these
/// in the same structure. What a patch release adds to a structure or takes from it moves all that
/// follows; so if a member is where it was, so are those before it. In a version newer than all that were measured members
/// may have changed places too: each must be claimed for itself.
fn confirm(layout: &mut Layout, report: &Report) {
    let failed: Vec<&str> = report
        .suspects()
        .iter()
        .map(|(field, _)| field.structure())
        .collect();
    for field in Field::ALL {
        let Fact::Known(value, Origin::Table(near)) = layout.fact(*field) else {
            continue;
        };
        if !near.is_assumed() {
            continue;
        }
        let before_confirmed = !field.is_size()
            && !near.is_loose()
            && !failed.contains(&field.structure())
            && Field::ALL.iter().any(|other| {
                other.structure() == field.structure()
                    && !other.is_size()
                    && layout.offset(*other).is_some_and(|offset| offset >= *value)
                    && report.confirms(*other)
            });
        if before_confirmed || report.confirms(*field) {
            let (value, near) = (*value, near.clone());
            layout.confirm(*field, value, near);
        }
    }
}
