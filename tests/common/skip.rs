//! What a test does that cannot run: it says why, and fails where everything has to run. For the unit tests in src too.

use std::env;

/// `true` when `CI` is set, as continuous-integration services do.
pub(crate) fn in_ci() -> bool {
    env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Says that a test is skipped; fails instead where everything has to run.
#[allow(clippy::print_stderr, reason = "test code")]
pub(crate) fn skip(why: &str) {
    let strict = in_ci() || env::var_os("GRTMON_REQUIRE_ALL").is_some_and(|it| it == "1");
    assert!(!strict, "cannot run here: {why}");
    eprintln!("skipped: {why}");
}
