//! Agreement with the execution trace that the program takes of itself while it is observed.
//!
//! Compared are goroutines that live wholly within the trace, which lies within the observation: for each start function
//! how often they left each state, and why they were in it.

use std::collections::BTreeMap;

use crate::{
    common::{newest, skip},
    parsed_trace::{Left, ParsedTrace},
    support::{Done, by_fn, count, each_toolchain, number, observe},
};

/// What the tracer calls a reason for waiting (`traceBlockReason`, runtime/traceruntime.go).
fn traced(reason: &str) -> &str {
    match reason {
        "IO wait" => "network",
        "sync.Cond.Wait" => "sync.(*Cond).Wait",
        "semacquire" => "sync",
        _ if reason.starts_with("sync.") => "sync",
        // A switch has no reason there.
        "coroutine" => "",
        _ => reason,
    }
}

/// What grtmon counted, in the tracer's words.
fn waits(done: &Done<'_>) -> Left {
    let mut waits = Left::new();
    for ((state, reason), row) in done {
        let counted = number(&row["count"]);
        if *state == "waiting" && counted > 0 {
            let reason = traced(reason).to_owned();
            *waits.entry(("waiting".to_owned(), reason)).or_default() += counted;
        }
    }
    waits
}

/// The start functions that the fixture uses nowhere else.
fn is_compared(function: &str) -> bool {
    let ours = ["main.waits", "main.yields", "main.isLeft", "main.handOver"];
    function == "runtime.corostart" || ours.iter().any(|it| function.starts_with(it))
}

#[test]
fn the_runtime_s_own_trace_says_the_same() {
    if newest().minor() < 25 {
        return skip("needs the trace tool of Go 1.25 or later");
    }
    each_toolchain(|toolchain, build, program, what| {
        // Until Go 1.21 traces have another form, which the tool does not read any more.
        if toolchain.minor() < 22 {
            return;
        }
        let name = format!("sched-{}-{}.trace", toolchain.version, build.name());
        let file = std::env::temp_dir().join(format!("{name}.{}", std::process::id()));
        let mode = ["-trace", file.to_str().unwrap()];
        let observed = observe(program, &mode, &["--by", "fn"]);
        let trace = ParsedTrace::of(&file);
        std::fs::remove_file(&file).unwrap();
        let all = by_fn(&observed.end);
        let mut compared = 0;
        for (function, left) in &trace.left {
            if !is_compared(function) {
                continue;
            }
            let what = format!("{what}: {function}");
            let done = all
                .get(function.as_str())
                .unwrap_or_else(|| panic!("{what}: not seen"));
            let of = |state: &str| {
                left.get(&(state.to_owned(), String::new()))
                    .copied()
                    .unwrap_or(0)
            };
            let theirs: BTreeMap<_, _> = left
                .iter()
                .filter(|((state, _), _)| state == "waiting")
                .map(|(key, times)| (key.clone(), *times))
                .collect();
            assert_eq!(waits(done), theirs, "{what}");
            assert_eq!(count(done, "running", ""), of("running"), "{what}");
            assert_eq!(count(done, "syscall", ""), of("syscall"), "{what}");
            // The tracer has two changes where a goroutine goes over to running at once: after a system call that
            // finds another P, and in a switch of coroutines.
            let at_once = count(done, "waiting", "coroutine");
            let perhaps = trace.out_of_syscalls.get(function).copied().unwrap_or(0);
            let (least, most) = (of("runnable") - at_once - perhaps, of("runnable") - at_once);
            let runnable = count(done, "runnable", "");
            assert!(
                (least..=most).contains(&runnable),
                "{what}: {runnable}, not {least}..={most}"
            );
            compared += 1;
        }
        assert!(compared >= 10, "{what}: only {compared} start functions");
    });
}
