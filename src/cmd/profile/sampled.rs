//! What profiles have in common that are taken for a while.

use std::time::Duration;

use crate::model::human::duration;
use crate::model::profile::COUNT;
use crate::model::profile::ValueType;

use crate::cmd::output;

/// How often something was seen.
pub(super) const SAMPLES: ValueType = ValueType {
    name: "samples",
    unit: COUNT,
};

/// Says that it has begun: `what` goes on for so long.
pub(super) fn begun(whom: &str, what: &str, time: Duration) {
    let time = duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    output::note(&format!("{whom}: {what} for {time}. Ctrl-C to end."));
}
