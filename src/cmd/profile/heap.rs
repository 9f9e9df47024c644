//! `grtmon profile heap`: what the runtime itself has noted of allocations since the program began.

use anyhow::Result;
use anyhow::anyhow;

use crate::go::ReadError;
use crate::go::process::call_stacks::CallStacks;
use crate::go::process::memory_profile;
use crate::go::process::memory_profile::Certainty;
use crate::go::process::memory_profile::MemoryProfile;
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

/// What is counted, in this order (`writeHeapProto`, runtime/pprof/protomem.go).
pub(super) const TYPES: [ValueType; 4] = [
    value("alloc_objects", COUNT),
    value("alloc_space", BYTES),
    value("inuse_objects", COUNT),
    value("inuse_space", BYTES),
];

const fn value(name: &'static str, unit: &'static str) -> ValueType {
    ValueType { name, unit }
}

/// All sites.
pub(super) fn take(target: &Target, live: &Live, mapping: Mapping) -> Result<Taken> {
    let view = live.view();
    let read = memory_profile::read(&view).map_err(|why| match why {
        ReadError::Unknown(why) if why == memory_profile::NONE_KEPT => {
            anyhow!("{why}; what its heap is made of needs none: grtmon profile heap --types")
        }
        why => unreadable(live, why),
    })?;
    let mut stacks = CallStacks::new(&target.program.binary, &view);
    let rate = u64::try_from(read.rate).unwrap_or(0);
    let mut profile = Profile::new(
        "heap",
        TYPES.to_vec(),
        (value("space", BYTES), rate),
        mapping,
    );
    for site in &read.sites {
        let outside = stacks.outside_runtime(&site.stack);
        let mut stack = stacks.locations(&mut profile, outside);
        if stack.is_empty() {
            stack = stacks.locations(&mut profile, &site.stack);
        }
        let (objects, bytes) = read.scaled(site.allocs, site.size);
        let (live_objects, live_bytes) = read.scaled(site.allocs - site.frees, site.size);
        profile.add(Sample {
            stack,
            values: vec![objects, bytes, live_objects, live_bytes],
            labels: vec![Label {
                key: "bytes".into(),
                value: LabelValue::Number(site.size),
            }],
        });
    }
    let about = about(&profile, &read);
    Ok(Taken {
        profile,
        about,
        warnings: warnings(&read),
    })
}

fn about(profile: &Profile, read: &MemoryProfile) -> String {
    let as_of = match read.certainty {
        Certainty::Growing => {
            "so far, since no garbage collection has been completed (freed is nothing yet)"
        }
        _ => {
            "as of the last completed garbage collection, or the one before it, as Go's own profile"
        }
    };
    let sampled = match read.rate {
        ..=1 => "every object counted".to_owned(),
        rate => format!(
            "estimated from one object in {} on average",
            human_bytes(rate.cast_unsigned())
        ),
    };
    let [allocated, in_use] = [1, 3].map(|index| human_bytes(profile.total(index)));
    let samples = counted(profile.samples().len() as u64, "site");
    format!(
        "{in_use} in use and {allocated} allocated by {samples} since it began, {as_of}; {sampled}"
    )
}

fn warnings(read: &MemoryProfile) -> Vec<String> {
    let mut warnings = Vec::new();
    match read.certainty {
        Certainty::Same | Certainty::Growing => {}
        Certainty::Changing(sites) => warnings.push(format!(
            "{} changed each time that they were read: their numbers may be off by what happened in one garbage collection",
            counted(sites, "site")
        )),
        Certainty::Once => warnings.push(
            "garbage collections followed each other too fast to read anything twice: numbers may be off by what happened in one"
                .to_owned(),
        ),
    }
    if read.rate <= 0 {
        warnings.push(
            "runtime.MemProfileRate is 0 now: nothing more is noted, and what was is not scaled"
                .to_owned(),
        );
    }
    warnings
}
