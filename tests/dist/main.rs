//! What is released: man page, completions, archives. Those that build it and install it take minutes:
//! `make test-dist`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

#[path = "../../packaging/pages/completions.rs"]
mod completions;
#[path = "../../packaging/pages/man.rs"]
mod man;
#[path = "../../packaging/pages/notices.rs"]
mod notices;

mod archives;
mod image;
mod install;
mod offered;
mod page;
mod policy;
mod released;
mod run;
