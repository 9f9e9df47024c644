//! Go inside a program in C (`-buildmode=c-archive`): nothing is different.

use crate::{
    alloc,
    common::{Build, fixture, newest, require_capabilities_or_skip},
    goroutines,
    subject::observe,
};

#[test]
fn goroutines_and_allocations_inside_a_program_in_c() {
    if !require_capabilities_or_skip() {
        return;
    }
    for strip in [false, true] {
        let build = Build {
            strip,
            ..Build::ARCHIVE
        };
        let program = fixture(newest(), build);
        let created = ["gr", "--output", "json"];
        goroutines::counts_agree(&observe(&program, &["goroutines"], &created));
        let allocated = ["gm", "--source", "probes", "--output", "json"];
        alloc::compare(&observe(&program, &["alloc"], &allocated));
    }
}
