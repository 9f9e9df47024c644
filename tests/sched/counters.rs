//! `--source counters`: the runtime's own figures, without a probe.

use crate::{
    common::{Fixture, Grtmon},
    support::{each_toolchain, number},
};

#[test]
fn counters_are_those_of_the_runtime() {
    each_toolchain(|toolchain, _, program, what| {
        let mut target = Fixture::start(program, &["sched"]);
        let pid = target.pid_arg();
        let tool = Grtmon::start(&[
            "sched",
            "--source",
            "counters",
            "--output",
            "json",
            "--duration",
            "10m",
            "--pid",
            &pid,
        ]);
        target.work();
        let end = tool.stop().success().json().pop().unwrap();
        target.finish();
        assert_eq!(end["event"], "end", "{what}");
        assert_eq!(end["source"], "counters", "{what}");
        for list in ["lost", "ended", "notes"] {
            assert!(end[list].is_array(), "{what}: {list}: {end}");
        }
        // The runtime notes about one transition in eight; the fixture makes well over a thousand.
        assert!(number(&end["latency"]["count"]) > 20, "{what}: {end}");
        assert!(number(&end["queue"]["looks"]) > 0, "{what}: {end}");
        // Each look of the fixture at its own goroutines stops the world.
        if toolchain.minor() >= 22 {
            assert!(number(&end["other_pauses"]["count"]) > 60, "{what}: {end}");
        } else {
            assert!(end["other_pauses"].is_null(), "{what}: {end}");
        }
    });
}

#[test]
fn counters_need_a_process() {
    let output =
        crate::common::grtmon(&["sched", "--source", "counters", "--binpath", "/bin/true"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stderr.contains("--pid"), "{}", output.stderr);
}
