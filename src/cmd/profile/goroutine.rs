//! `grtmon profile goroutine`: as `dump` reads them.

use anyhow::Result;

use crate::go::process::g;
use crate::go::process::goroutines::GoroutineReader;
use crate::model::human::counted;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::ValueType;
use crate::observe::reader::unreadable;
use crate::render;
use crate::target::Target;
use crate::target::live::Live;

use super::taken::Taken;

/// Its name, which is what it counts.
const KIND: &str = "goroutine";

/// What is counted.
pub(super) const TYPES: [ValueType; 1] = [Profile::things(KIND)];

/// The program's own goroutines.
pub(super) fn take(target: &Target, live: &Live, mapping: Mapping) -> Result<Taken> {
    let explain = |why| unreadable(live, why);
    let binary = &target.program.binary;
    let mut reader = GoroutineReader::new(binary, &live.view()).map_err(explain)?;
    let dump = reader.read(&live.memory).map_err(explain)?;
    let mut profile = Profile::counting(KIND, mapping);
    profile.add_goroutines(&dump, |one| !one.system);
    let goroutines = counted(profile.total(0), "goroutine");
    let stacks = counted(profile.samples().len() as u64, "stack");
    let mut warnings = g::shortcomings(&live.runtime_info.layout);
    warnings.extend(render::dump::missing(&dump.missing));
    Ok(Taken {
        profile,
        about: format!("{goroutines} on {stacks}"),
        warnings,
    })
}
