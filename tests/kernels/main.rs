//! Other kernels: Debian's own, booted in QEMU by software emulation, with grtmon, the checks of other tests and the
//! fixture in a file system in memory. Runs without root and without KVM.
//!
//! A slice runs with all other tests; `make test-kernels` runs everything and records it in tests/kernels/results.tsv,
//! from which docs/kernels.md has its table. How it is made up: `machine.rs` boots, `guest.rs` is the first process there and
//! runs the checks, which are those that tests/end_to_end, tests/gc, tests/dump, tests/counters, and in the whole matrix
//! tests/sched and tests/top make anywhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

#[path = "../common/mod.rs"]
mod common;

mod cells;
mod guest_files;
mod initramfs;
mod machine;
mod report;
mod results;

#[test]
fn amd64_6_1() {
    cells::run_named("amd64_6_1");
}

#[test]
fn amd64_6_12() {
    cells::run_named("amd64_6_12");
}

#[test]
fn amd64_newest() {
    cells::run_named("amd64_newest");
}

#[test]
fn arm64_6_1() {
    cells::run_named("arm64_6_1");
}

#[test]
fn arm64_6_12() {
    cells::run_named("arm64_6_12");
}

#[test]
#[ignore = "in make test-kernels"]
fn amd64_5_10() {
    cells::run_named("amd64_5_10");
}

#[test]
#[ignore = "in make test-kernels"]
fn amd64_locked_down() {
    cells::run_named("amd64_locked_down");
}

#[test]
#[ignore = "in make test-kernels"]
fn amd64_rt() {
    cells::run_named("amd64_rt");
}

#[test]
#[ignore = "in make test-kernels"]
fn arm64_5_10() {
    cells::run_named("arm64_5_10");
}

#[test]
#[ignore = "in make test-kernels"]
fn arm64_newest() {
    cells::run_named("arm64_newest");
}

#[test]
#[ignore = "in make test-kernels"]
fn arm64_pages_of_16_kib() {
    cells::run_named("arm64_pages_of_16_kib");
}

#[test]
fn the_docs_show_the_results() {
    results::compare_with_docs();
}

#[test]
fn the_results_are_of_all_that_is_checked() {
    results::compare_with_plan();
}
