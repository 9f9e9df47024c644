//! What `grtmon doctor` says of the commands and of the fields that they need: which of it will be shown, where each field
//! comes from, and what confirms it.

use crate::go::layout::Field;
use crate::go::needs;
use crate::go::process::verify::Report;
use crate::go::provenance::Provenance;
use crate::go::provenance::Witness;
use crate::model::report::Detail;
use crate::model::report::Section;
use crate::model::report::Verdict;
use crate::target::checked::Checked;

/// Columns of a field's value.
const VALUE: usize = 5;

/// What each command will show of this program, as far as that depends on where the runtime keeps things.
pub(super) fn commands(checked: &Checked<'_>) -> Section {
    let mut section = Section::new("Commands");
    let (layout, globals) = (&checked.anatomy.layout, &checked.anatomy.globals);
    let plugins = checked.target.plugins();
    for name in needs::commands() {
        let mut lacks: Vec<String> = needs::of(name)
            .filter_map(|need| Some((need, need.lack(layout, globals)?)))
            .map(|(need, why)| match need.what {
                "" => format!("refused: {why}"),
                what => format!("?: {what} ({why})"),
            })
            .collect();
        if let Some((_, plugin)) = plugins.first() {
            match name {
                "sched" => lacks.insert(0, format!("refused, but for --source counters: {plugin}")),
                name if name.starts_with("gr") || name.starts_with("gc") => {
                    lacks.push(format!("?: what plugins do ({plugin})"));
                }
                _ => {}
            }
        }
        let fields = provenances(needs::fields(needs::of(name)), checked);
        let confirmed = fields.iter().filter(|it| it.is_confirmed()).count();
        let count = match fields.len() {
            all if all == confirmed => format!("{all} fields, all confirmed"),
            all => format!("{all} fields, {confirmed} confirmed"),
        };
        let is_complete = lacks.is_empty();
        let mut found = lacks;
        match is_complete {
            true => found.push(format!("everything: {count}")),
            false => found.push(count),
        }
        let verdict = match is_complete {
            true => Verdict::Fine,
            false => Verdict::Lacking,
        };
        section.add(name, found, verdict);
        section.detail(vec![
            ("fields", Detail::Number(Some(fields.len() as u64))),
            ("confirmed", Detail::Number(Some(confirmed as u64))),
        ]);
    }
    section
}

/// Every field that a command needs.
pub(super) fn fields(checked: &mut Checked<'_>) -> Section {
    checked.anatomy.ask_code(&checked.runtime);
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
    let layout = &checked.anatomy.layout;
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
