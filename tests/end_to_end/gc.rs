//! `gc`: cycles as the runtime itself traces them, and every stop of the world.

use std::collections::BTreeMap;

use crate::subject::{each, each_toolchain, number, observe, text};

/// The lines of GODEBUG=gctrace=1.
fn traced(stderr: &str) -> Vec<&str> {
    stderr
        .lines()
        .filter(|line| line.starts_with("gc ") && line.contains(" ms clock, "))
        .collect()
}

#[test]
fn cycles_equal_the_runtime_s_own_trace() {
    each(|subject| {
        for method in subject.methods() {
            let observed = observe(
                &subject.program,
                &["gc"],
                &["gc", "--cycles", "--attach", method],
            );
            let shown: Vec<&str> = observed
                .output
                .stdout
                .lines()
                .filter(|it| it.starts_with("gc "))
                .collect();
            let all = traced(&observed.stderr);
            let cycles = usize::try_from(number(&observed.truth, "cycles")).unwrap();
            assert!(all.len() >= cycles);
            // Some came before grtmon did.
            let all = &all[all.len() - cycles..];
            if subject.toolchain.minor() < 21 {
                // runtime.GC says before its turn has come that the cycle was forced, which may still be another's
                // (runtime/mgc.go, gcStart).
                let of = |lines: &[&str]| -> Vec<String> {
                    lines
                        .iter()
                        .map(|line| line.trim_end_matches(" (forced)").to_owned())
                        .collect()
                };
                assert_eq!(of(&shown), of(all));
            } else {
                assert_eq!(shown, all);
            }
        }
    });
}

#[test]
fn every_stop_of_the_world_has_its_reason() {
    each_toolchain(|subject| {
        let observed = observe(&subject.program, &["gc"], &["gc", "--output", "json"]);
        let rows = observed.rows();
        let truth = &observed.truth;
        let mut reasons = BTreeMap::new();
        let stops: Vec<_> = rows.iter().filter(|it| it["event"] == "stw").collect();
        for stop in &stops {
            assert!(number(stop, "duration_ns") > 0, "{stop}");
            assert_eq!(stop["pid"], observed.pid);
            *reasons
                .entry(stop["reason"].as_str().unwrap_or(""))
                .or_insert(0_u64) += 1;
        }
        let cycles = number(truth, "cycles");
        if subject.toolchain.minor() >= 22 {
            // What the runtime counts itself.
            let paused = number(truth, "gc_pauses") + number(truth, "other_pauses");
            assert_eq!(u64::try_from(stops.len()).unwrap(), paused, "{reasons:?}");
            let of = |word: &str| -> u64 {
                reasons
                    .iter()
                    .filter(|(reason, _)| reason.contains(word))
                    .map(|(_, count)| *count)
                    .sum()
            };
            assert_eq!(of("sweep termination"), cycles, "{reasons:?}");
            assert_eq!(of("mark termination"), cycles, "{reasons:?}");
            assert_eq!(of("GOMAXPROCS"), number(truth, "set_procs"), "{reasons:?}");
            assert_eq!(
                of("read mem stats"),
                number(truth, "read_mem_stats"),
                "{reasons:?}"
            );
            // A profile of goroutines stops the world twice: to begin and to clean up. Go 1.22 stops it once more, to
            // count them first.
            let stops_of_profiles = of("profile");
            let profiles = number(truth, "goroutine_profiles");
            let each = if subject.toolchain.minor() == 22 {
                3
            } else {
                2
            };
            assert_eq!(stops_of_profiles, each * profiles, "{reasons:?}");
            assert!(stops.iter().all(|it| {
                number(it, "stopping_ns") + number(it, "stopped_ns") == number(it, "duration_ns")
            }));
        } else {
            assert!(
                u64::try_from(stops.len()).unwrap() >= 2 * cycles,
                "{reasons:?}"
            );
        }
        for event in ["mark", "sweep"] {
            let count = rows.iter().filter(|it| it["event"] == event).count();
            assert_eq!(u64::try_from(count).unwrap(), cycles, "{event}");
        }
        let forced = rows
            .iter()
            .filter(|it| it["event"] == "mark" && text(it, "trigger") != "heap");
        assert_eq!(
            u64::try_from(forced.count()).unwrap(),
            number(truth, "forced")
        );
    });
}
