//! Where each thing that is known of the runtime's structures comes from, and what confirms or contradicts it.

use crate::go::layout::{Fact, Field, Layout, Origin};
use crate::go::process::verify::Report;

/// Who says where a member lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witness {
    /// The binary's DWARF.
    Dwarf,
    /// Instructions of one function of the binary, and of so many others.
    Code(String, usize),
    /// The table: which releases.
    Table(String),
    /// The process: a statement that is true of it only if the member lies there.
    Process(&'static str),
    /// The process: it was found there.
    Found,
}

/// All that is known of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Which.
    pub field: Field,
    /// Its value, if one is used.
    pub value: Option<u32>,
    /// Whether this version has no such member.
    pub absent: bool,
    /// Whose value it is.
    pub source: Option<Witness>,
    /// Who else says the same.
    pub confirmed_by: Vec<Witness>,
    /// Who says something else, and what.
    pub contradicted_by: Vec<(Witness, u32)>,
    /// Why no value is used.
    pub why: Option<String>,
}

impl Provenance {
    /// What is known of a field. `report` is what came of holding the layout against a process.
    pub fn of(field: Field, layout: &Layout, report: Option<&Report>) -> Self {
        let usable = layout.require_checked(field);
        let trace = layout.trace(field);
        let said = trace.and_then(|trace| trace.said.as_ref());
        let code = said.map(|said| {
            let others = said.functions.saturating_sub(1);
            (Witness::Code(said.one.clone(), others), said.offset)
        });
        let table = |near: &crate::go::layout::Nearness| Witness::Table(near.releases());
        let tabled = trace.and_then(|trace| trace.table.as_ref());
        let tabled = tabled.map(|(value, near)| (table(near), *value));
        let (value, source) = match layout.fact(field) {
            Fact::Known(value, origin) => (Some(*value), Some(origin)),
            Fact::Absent(_) | Fact::Unknown(_) => (None, None),
        };
        let source = source.map(|origin| match origin {
            Origin::Dwarf => Witness::Dwarf,
            Origin::Code => match &code {
                Some((witness, _)) => witness.clone(),
                None => Witness::Code("its code".to_owned(), 0),
            },
            Origin::Table(near) | Origin::Confirmed(near) => table(near),
            Origin::Process => Witness::Found,
        });
        let process = report.and_then(|report| report.proof(field));
        let (mut confirmed_by, mut contradicted_by) = (Vec::new(), Vec::new());
        for (witness, says) in code.into_iter().chain(tabled) {
            match (value, &source) {
                (_, Some(source)) if *source == witness => {}
                (Some(value), _) if value == says => confirmed_by.push(witness),
                _ => contradicted_by.push((witness, says)),
            }
        }
        if let (Some(claim), Some(_)) = (process, value) {
            confirmed_by.push(Witness::Process(claim.text));
        } else if matches!(layout.fact(field), Fact::Known(_, Origin::Confirmed(_))) {
            confirmed_by.push(Witness::Process(
                "a member behind it is where it was expected",
            ));
        }
        Self {
            field,
            value: value.filter(|_| usable.is_ok()),
            absent: layout.exists(field) == Some(false),
            source: source.filter(|_| usable.is_ok()),
            confirmed_by,
            contradicted_by,
            why: usable.err().map(|lack| lack.why),
        }
    }

    /// Whether something besides the table says so.
    pub fn is_confirmed(&self) -> bool {
        let proves = |witness: &Witness| !matches!(witness, Witness::Table(_));
        self.value.is_some() && self.source.iter().chain(&self.confirmed_by).any(proves)
    }
}
