//! Packages whose paths the linker escapes are found and shown as people write them.

use std::process::Command;

use crate::common::{Build, Process, grtmon, module, newest, require_capabilities_or_skip};

fn start() -> Process {
    let target = Process::start(Command::new(module(newest(), Build::STRIPPED_PIE, "paths")));
    target.expect("ready");
    target
}

#[test]
fn goroutines_are_found_in_dumps() {
    let target = start();
    let pid = target.pid_arg();
    let found = |filter: &[&str]| {
        let mut arguments = vec!["dump", "--all", "--output", "json", "--pid", &pid];
        arguments.extend(filter);
        let rows = grtmon(&arguments).success().json();
        rows.last().unwrap()["shown"].as_u64().unwrap()
    };
    for name in ["thing.v2.rest", r"thing\.v2\.rest$", "thing%2ev2.rest"] {
        assert_eq!(found(&["--fn", name]), 2, "{name}");
    }
    for name in ["thing.v2.Wait", r"/thing\.v2\.Wait$", "thing%2ev2"] {
        assert_eq!(found(&["--created-by", name]), 1, "{name}");
    }
    assert_eq!(found(&["--fn", "thing.v3"]), 0);
    // A traceback is what Go prints.
    let text = grtmon(&["dump", "--all", "--pid", &pid]).success().stdout;
    assert!(
        text.contains("example.test/paths/thing%2ev2.rest(...)"),
        "{text}"
    );
    let once = grtmon(&["top", "--once", "--pid", &pid]).success().stdout;
    assert!(
        once.contains("thing.v2.") && !once.contains("%2e"),
        "{once}"
    );
}

#[test]
fn goroutines_are_found_by_probes() {
    if !require_capabilities_or_skip() {
        return;
    }
    let target = start();
    let pid = target.pid_arg();
    for name in ["thing.v2.Work", r"thing\.v2\.Work$", "thing%2ev2"] {
        let arguments = ["gr", "--fn", name, "--duration", "500ms", "--pid", &pid];
        let rows = grtmon(&arguments).success().stdout;
        assert!(
            rows.contains("   example.test/paths/thing.v2.Work "),
            "{name}: {rows}"
        );
        let arguments = [
            "sched",
            "--by",
            "fn",
            "--fn",
            name,
            "--duration",
            "500ms",
            "--pid",
            &pid,
        ];
        let table = grtmon(&arguments).success().stdout;
        assert!(
            table.contains("   example.test/paths/thing.v2.Work: "),
            "{name}: {table}"
        );
    }
}
