//! The slot into which the kernel's programs put a duration (src/bpf/hist.bpf.h) is the one from which it is read again
//! (src/model/histogram.rs). The function itself is compiled here, by the C compiler of this machine.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use grtmon::model::histogram::Histogram;

/// What the header takes from the kernel's headers and from libbpf's.
const TYPES: &str = "typedef unsigned int __u32;\ntypedef unsigned long long __u64;\n";
const HELPERS: &str = "#define __always_inline inline __attribute__((always_inline))\n";

const PROGRAM: &str = r#"#include <stdio.h>
#include "hist.bpf.h"

int main(void)
{
	unsigned long long ns;

	while (scanf("%llu", &ns) == 1)
		printf("%u\n", hist_slot(ns));
	printf("%u slots\n", HIST_SLOTS);
	return 0;
}
"#;

/// The slots of these durations, and how many slots there are.
fn slots_of(durations: &[u64]) -> (Vec<usize>, usize) {
    let directory =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("slots.{}", std::process::id()));
    fs::create_dir_all(directory.join("bpf")).unwrap();
    for (name, text) in [
        ("vmlinux.h", TYPES),
        ("bpf/bpf_helpers.h", HELPERS),
        ("slots.c", PROGRAM),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    let program = directory.join("slots");
    let compiled = Command::new("cc")
        .arg("-I")
        .arg(&directory)
        .args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/src/bpf"), "-o"])
        .arg(&program)
        .arg(directory.join("slots.c"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{said}");

    let mut child = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = durations.iter().fold(String::new(), |mut text, ns| {
        writeln!(text, "{ns}").unwrap();
        text
    });
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    fs::remove_dir_all(&directory).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let count = lines.pop().unwrap().strip_suffix(" slots").unwrap();
    let slots = lines.iter().map(|slot| slot.parse().unwrap()).collect();
    (slots, count.parse().unwrap())
}

/// The longest duration of a slot, as it is read.
fn end_of(slot: usize, count: usize) -> u64 {
    let mut slots = vec![0; count];
    slots[slot] = 1;
    let histogram = Histogram::from_parts(0, u64::MAX, &slots);
    histogram.quantile_ns(1.0).unwrap()
}

#[test]
fn durations_are_read_from_the_slots_that_they_were_put_into() {
    // Around every power of two ns, and around the ends of all slots.
    let mut durations = Vec::new();
    for shift in 0..52_u32 {
        for part in 8..16 {
            let near = (part << shift) / 8;
            durations.extend([near.max(1) - 1, near, near + 1]);
        }
    }
    let (_, count) = slots_of(&[]);
    let ends: Vec<u64> = (0..count).map(|slot| end_of(slot, count)).collect();
    assert!(ends.is_sorted_by(|a, b| a < b) && count > 300);
    for end in &ends {
        durations.extend([end - 1, *end, end + 1]);
    }
    durations.extend([1 << 60, u64::MAX]);

    let (slots, _) = slots_of(&durations);
    assert_eq!(slots.len(), durations.len());
    for (ns, slot) in durations.iter().zip(slots) {
        let first = slot.checked_sub(1).map_or(0, |before| ends[before] + 1);
        // What is longer than all of them is in the last.
        let last = if slot + 1 == count {
            u64::MAX
        } else {
            ends[slot]
        };
        assert!(
            (first..=last).contains(ns),
            "{ns} in slot {slot}: {first}..={last}"
        );
    }
}
