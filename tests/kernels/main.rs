//! Other kernels: Debian's own, booted in QEMU by software emulation, with grtmon, the checks of other tests and the
//! fixture in a file system in memory. Runs without root and without KVM.
//!
//! A slice runs with all other tests; `make test-kernels` runs everything and records it in tests/kernels/results.tsv,
//! from which README.md has its table. How it is made up: `machine.rs` boots, `guest.rs` is the first process there and
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

use cells::{AMD64, ARM64, Kernel};

#[test]
fn amd64_6_1() {
    cells::run(&Kernel::cloud(AMD64, "6.1"));
}

#[test]
fn amd64_6_12() {
    cells::run(&Kernel::cloud(AMD64, "6.12"));
}

#[test]
fn amd64_newest() {
    cells::run(&Kernel::cloud(AMD64, "newest"));
}

#[test]
fn arm64_6_1() {
    cells::run(&Kernel::cloud(ARM64, "6.1"));
}

#[test]
fn arm64_6_12() {
    cells::run(&Kernel::cloud(ARM64, "6.12"));
}

#[test]
#[ignore = "in make test-kernels"]
fn amd64_5_10() {
    cells::run(&Kernel::cloud(AMD64, "5.10").with(cells::LOCKED_MEMORY));
}

#[test]
#[ignore = "in make test-kernels"]
fn amd64_locked_down() {
    cells::run(&Kernel {
        arguments: "lockdown=confidentiality",
        ..Kernel::cloud(AMD64, "6.12").with(cells::LOCKED_DOWN)
    });
}

#[test]
#[ignore = "in make test-kernels"]
fn amd64_rt() {
    cells::run(&Kernel::flavour(AMD64, "6.12", "rt"));
}

#[test]
#[ignore = "in make test-kernels"]
fn arm64_5_10() {
    cells::run(&Kernel::cloud(ARM64, "5.10").with(cells::LOCKED_MEMORY));
}

#[test]
#[ignore = "in make test-kernels"]
fn arm64_newest() {
    cells::run(&Kernel::cloud(ARM64, "newest"));
}

#[test]
#[ignore = "in make test-kernels"]
fn arm64_pages_of_16_kib() {
    cells::run(&Kernel::flavour(ARM64, "newest", "16k"));
}

#[test]
fn the_readme_shows_the_results() {
    results::compare_with_readme();
}
