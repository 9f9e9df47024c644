//! `grtmon profile heap --types`: what the heap is made of now, by the type of objects.

use anyhow::Result;

use crate::cli::HeapArgs;
use crate::go::ReadMemory;
use crate::go::process::heap;
use crate::model::heap::Composition;
use crate::model::heap::Shortcoming;
use crate::model::heap::What;
use crate::model::human::counted;
use crate::model::human::human_bytes;
use crate::model::profile::BYTES;
use crate::model::profile::COUNT;
use crate::model::profile::Label;
use crate::model::profile::LabelValue;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;
use crate::observe::reader::unreadable;
use crate::target::Target;
use crate::target::live::Live;

use super::taken::Taken;

/// The kind of these profiles.
pub(super) const KIND: &str = "heap by type";

/// What is counted: what runtime.MemStats calls HeapObjects and HeapAlloc.
pub(super) const TYPES: [ValueType; 2] = [
    ValueType {
        name: "heap_objects",
        unit: COUNT,
    },
    ValueType {
        name: "heap_bytes",
        unit: BYTES,
    },
];

/// What is taken for it if nothing else is said: a part of what the process holds, and never less than that.
const PART: u64 = 10;
const LEAST: u64 = 256 << 20;

/// All objects.
pub(super) fn take(
    args: &HeapArgs,
    target: &Target,
    live: &Live,
    mapping: Mapping,
) -> Result<Taken> {
    let room = args.max_memory.unwrap_or_else(|| {
        let held = live.memory.held().unwrap_or(0);
        LEAST.max(held / PART)
    });
    let read = heap::read(&live.view(), &target.program.binary, room);
    let mut read = read.map_err(|why| unreadable(live, why))?;
    read.groups.sort_by(|a, b| a.what.cmp(&b.what));
    let [objects, bytes] = TYPES;
    let mut profile = Profile::new(KIND, vec![objects, bytes], (bytes, 1), mapping);
    for group in &read.groups {
        let stack = vec![profile.words(&group.what.words())];
        let known = if group.what.is_known() { "yes" } else { "no" };
        profile.add(Sample {
            stack,
            values: vec![group.objects, group.bytes],
            labels: vec![Label {
                key: "type_known".into(),
                value: LabelValue::Text(known.to_owned()),
            }],
        });
    }
    Ok(Taken {
        profile,
        about: about(&read),
        warnings: warnings(&read),
    })
}

fn about(read: &Composition) -> String {
    let (objects, bytes) = read.total(|_| true);
    let all = format!(
        "{} in {}, allocated and not swept yet: what is in use, and what has died since the last garbage collection (runtime.MemStats: HeapAlloc)",
        human_bytes(bytes),
        counted(objects, "object")
    );
    if read.no_types.is_some() {
        return format!("{all}; by size only");
    }
    let (_, known) = read.total(What::is_known);
    let (_, without) = read.total(|what| {
        let What::Unknown { has_pointers, .. } = what else {
            return false;
        };
        !has_pointers
    });
    let part = |part: u64| 100.0 * part as f64 / bytes.max(1) as f64;
    format!(
        "{all}; the type of {:.1}% of the bytes is known, of {:.1}% only the size and that they hold no pointers",
        part(known),
        part(without)
    )
}

fn warnings(read: &Composition) -> Vec<String> {
    let none = read.no_types.iter().map(|why| format!("no types: {why}"));
    let some = read.shortcomings.iter().map(|(count, what)| match what {
        Shortcoming::Torn => format!(
            "{} changed while {} read: their numbers may be off by what was allocated meanwhile",
            counted(*count, "span"),
            if *count == 1 { "it was" } else { "they were" }
        ),
        Shortcoming::Spans => format!(
            "{} of its heap could not be read, and {} missing",
            counted(*count, "span"),
            if *count == 1 { "is" } else { "are" }
        ),
        Shortcoming::Contents => format!(
            "{} of its memory could not be read: what only they refer to is of unknown type",
            counted(*count, "piece")
        ),
        Shortcoming::Cut => format!(
            "{} so large that only the first of what they refer to was followed",
            match count {
                1 => "1 object is".to_owned(),
                _ => format!("{count} objects are"),
            }
        ),
        Shortcoming::GivenUp => "not all references were followed, as they lead all over its memory again and again: some types are not known for that reason".to_owned(),
        Shortcoming::Collected => "a garbage collection began or ended meanwhile: the numbers are of before and after".to_owned(),
    });
    none.chain(some).collect()
}
