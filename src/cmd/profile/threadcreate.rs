//! `grtmon profile threadcreate`: the stacks on which threads were created, as far as the runtime has noted them.

use anyhow::Result;

use crate::go::process::call_stacks::CallStacks;
use crate::go::process::thread_creation;
use crate::model::human::counted;
use crate::model::profile::Mapping;
use crate::model::profile::Profile;
use crate::model::profile::Sample;
use crate::model::profile::ValueType;
use crate::observe::reader::unreadable;
use crate::target::Target;
use crate::target::live::Live;

use super::taken::Taken;

/// Its name, which is what it counts.
const KIND: &str = "threadcreate";

/// What is counted.
pub(super) const TYPES: [ValueType; 1] = [Profile::things(KIND)];

/// What stands where the runtime has noted none: most threads are created by the scheduler itself.
const NO_STACK: &str = "[created by the runtime: no stack noted]";

/// All threads.
pub(super) fn take(target: &Target, live: &Live, mapping: Mapping) -> Result<Taken> {
    let view = live.view();
    let created = thread_creation::read(&view).map_err(|why| unreadable(live, why))?;
    let mut stacks = CallStacks::new(&target.program.binary, &view);
    let mut profile = Profile::counting(KIND, mapping);
    let mut noted = 0;
    for (stack, count) in &created {
        let mut locations = stacks.locations(&mut profile, stack);
        match locations.is_empty() {
            true => locations.push(profile.words(NO_STACK)),
            false => noted += count,
        }
        profile.add(Sample {
            stack: locations,
            values: vec![*count],
            labels: Vec::new(),
        });
    }
    let threads = counted(profile.total(0), "thread");
    Ok(Taken {
        profile,
        about: format!(
            "{threads}; for {noted} of them the runtime has noted a stack, as it does where a goroutine creates one"
        ),
        warnings: Vec::new(),
    })
}
