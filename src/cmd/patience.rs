//! How long those who read what is written are waited for.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long an observation waits for a reader, at one go. One that is faster gets rows and what is said on standard error
/// in their order.
pub(super) const MOMENT: Duration = Duration::from_millis(20);
/// At the end, a reader that takes nothing for so long is not waited for any more;
pub(super) const PATIENCE: Duration = Duration::from_millis(700);
/// nor one that takes longer in all.
pub(super) const MOST: Duration = Duration::from_secs(5);
/// How long standard error is waited for at the end, where standard output was in vain: they may be the same.
pub(super) const LEFT: Duration = Duration::from_millis(150);

/// Standard output was waited for in vain.
pub(super) static GIVEN_UP: AtomicBool = AtomicBool::new(false);
