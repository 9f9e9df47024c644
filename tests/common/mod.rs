//! The harness of the integration tests: Go toolchains, the fixture `testgo` built with them, its
//! processes, and grtmon itself.
//!
//! ```text
//! mod common;
//! for toolchain in common::toolchains() {
//!     let program = common::fixture(toolchain, Build::DEFAULT);
//!     let mut target = Fixture::start(&program, &["churn"]);   // has said `ready`
//!     let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &target.pid_arg()]);
//!     target.work();                                           // has said `done`
//!     let seen = tool.stop();                                  // SIGINT, then its output
//!     let truth = target.finish();                             // its JSON, after a clean exit
//! }
//! ```
//!
//! What runs is set from outside:
//!
//! - `GRTMON_TEST_MATRIX=full` (implied by `CI`): every toolchain × every build; `wide`: × the builds that differ
//!   most. Otherwise the newest toolchain that is there, in two builds. `GRTMON_TEST_GO=1.21.13,1.27.3` picks versions,
//!   `GRTMON_TEST_BUILD=stripped,stripped+pgo` builds.
//! - `GRTMON_REQUIRE_ALL=1` (implied by `CI`): a test that cannot run fails instead of saying
//!   `skipped: why`.
//! - `GRTMON_CACHE`: where toolchains are kept (see tests/setup/cache.sh).

#![allow(dead_code, reason = "each test uses a part of the harness")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "this is all test code, though outside of #[test] functions"
)]

mod build;
mod built;
mod embedded;
mod grtmon;
mod methods;
mod pgo;
mod process;
mod profile;
mod require;
mod server;
mod skip;
mod toolchain;
mod vendor;

#[allow(unused_imports, reason = "each test uses a part of the harness")]
pub(crate) use self::{
    build::{Build, builds, builds_of_all_machines},
    built::{binary, copy_program, fixture, module, program},
    embedded::Embedded,
    grtmon::{Grtmon, Output, command, grtmon},
    methods::methods,
    pgo::Pgo,
    process::{Fixture, PATIENCE, Process},
    require::{require_capabilities_or_skip, require_root_or_skip, tool},
    server::{Server, prometheus as prometheus_server},
    skip::{in_ci, skip},
    toolchain::{Toolchain, cache, full_matrix, newest, prebuilt, toolchain, toolchains},
};
