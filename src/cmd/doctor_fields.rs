//! What `grtmon doctor` says of the fields that commands need: where each comes from, and what confirms it.

use crate::go::layout::Field;
use crate::go::needs;
use crate::go::process::verify::Report;
use crate::go::provenance::Provenance;
use crate::go::provenance::Witness;
use crate::model::human::counted;
use crate::model::report::Detail;
use crate::model::report::Section;
use crate::model::report::Verdict;
use crate::target::checked::Checked;

/// Columns of a field's value.
const VALUE: usize = 5;

/// Adds what a command lacks, and how many of the fields that it needs are confirmed.
pub(super) fn add_command(
    section: &mut Section,
    name: &str,
    mut lacks: Vec<String>,
    checked: &Checked<'_>,
) {
    let fields = provenances(needs::fields(needs::of(name)), checked);
    let confirmed = fields.iter().filter(|it| it.is_confirmed()).count();
    let count = match fields.len() {
        all if all == confirmed => format!("{}, all confirmed", counted(all as u64, "field")),
        all => format!("{}, {confirmed} confirmed", counted(all as u64, "field")),
    };
    let verdict = match lacks.is_empty() {
        true => Verdict::Fine,
        false => Verdict::Lacking,
    };
    match verdict {
        Verdict::Fine => lacks.push(format!("everything: {count}")),
        Verdict::Lacking => lacks.push(count),
    }
    section.add(name, lacks, verdict);
    section.detail(vec![
        ("fields", Detail::Number(Some(fields.len() as u64))),
        ("confirmed", Detail::Number(Some(confirmed as u64))),
    ]);
}

/// Every field that a command needs.
pub(super) fn fields(checked: &mut Checked<'_>) -> Section {
    checked.runtime_info.ask_code(&checked.runtime);
    let mut section = Section::new("Fields");
    let mut needed = needs::fields(needs::NEEDS.iter());
    needed.sort_unstable();
    for it in provenances(needed, checked) {
        let value = it.value.map_or("?".to_owned(), |value| value.to_string());
        let line = format!("{value:>VALUE$}  {}", describe(&it));
        let verdict = match it.value {
            Some(_) if it.contradicted_by.is_empty() => Verdict::Fine,
            _ => Verdict::Lacking,
        };
        section.add(it.field.name(), vec![line], verdict);
        let says = |(witness, value): &(Witness, u32)| format!("{}: {value}", long(witness));
        section.detail(vec![
            ("value", Detail::Number(it.value.map(u64::from))),
            ("from", Detail::Text(it.source.as_ref().map(long))),
            (
                "confirmed_by",
                Detail::Texts(it.confirmed_by.iter().map(long).collect()),
            ),
            (
                "contradicted_by",
                Detail::Texts(it.contradicted_by.iter().map(says).collect()),
            ),
            ("why", Detail::Text(it.why)),
        ]);
    }
    section
}

/// What is known of fields, but for those that this version does not have.
fn provenances(fields: Vec<Field>, checked: &Checked<'_>) -> Vec<Provenance> {
    let report: Option<&Report> = checked.check.as_ref().ok();
    let layout = &checked.runtime_info.layout;
    let all = fields.into_iter();
    let all = all.map(|field| Provenance::of(field, layout, report));
    all.filter(|it| !it.absent).collect()
}

/// Where it comes from, and who agrees and who does not, in few words.
fn describe(it: &Provenance) -> String {
    let Some(source) = &it.source else {
        return it.why.clone().unwrap_or_default();
    };
    let mut text = short(source);
    let agree = it.confirmed_by.iter().map(|witness| match witness {
        Witness::Table(_) => "table".to_owned(),
        _ => short(witness),
    });
    let agree: Vec<String> = agree.collect();
    match agree.as_slice() {
        [] if !it.is_confirmed() => text.push_str("; nothing confirms it"),
        [] => {}
        _ => {
            text.push_str("; ");
            text.push_str(&agree.join(", "));
        }
    }
    for (witness, value) in &it.contradicted_by {
        text.push_str(&format!("; not {}: {value}", short(witness)));
    }
    text
}

fn short(witness: &Witness) -> String {
    match witness {
        Witness::Dwarf => "DWARF".to_owned(),
        Witness::Code(function, others) => {
            let bare = function.strip_prefix("runtime.").unwrap_or(function);
            match others {
                0 => format!("code of {bare}"),
                _ => format!("code of {bare} +{others}"),
            }
        }
        Witness::Table(releases) => format!("table {releases}"),
        Witness::Process(_) => "process".to_owned(),
        Witness::Found => "found in the process".to_owned(),
    }
}

fn long(witness: &Witness) -> String {
    match witness {
        Witness::Code(function, 0) => format!("code of {function}"),
        Witness::Code(function, others) => format!("code of {function} and {others} more"),
        Witness::Process(claim) => format!("process: {claim}"),
        _ => short(witness),
    }
}
