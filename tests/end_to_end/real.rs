//! Debian's own Go programs, stripped and without DWARF, at their work on the loopback interface.

use serde_json::Value;

use crate::{
    common::{Grtmon, Server, prometheus_server, require_capabilities_or_skip},
    subject::{list, nothing_lost, number, text, undisturbed},
};

/// Runs a command on it while it answers `requests` requests.
fn observe(server: &Server, command: &[&str], requests: usize) -> Vec<Value> {
    let pid = server.process.pid_arg();
    let mut arguments = command.to_vec();
    arguments.extend(["--output", "json", "--pid", &pid]);
    let tool = Grtmon::start(&arguments);
    for _ in 0..requests {
        assert!(
            server.get("/metrics").is_some(),
            "no answer under {command:?}"
        );
    }
    tool.stop().success().json()
}

fn all_commands(server: &mut Server) {
    let rows = observe(server, &["gr", "--buffer", "16384"], 23);
    let (end, rows) = rows.split_last().unwrap();
    nothing_lost(end);
    assert!(
        rows.iter().all(|it| text(it, "fn").contains('.')),
        "an unnamed goroutine"
    );
    // net/http serves each connection in a goroutine, started in (*Server).Serve.
    let serving = |event: &str| {
        let http = |it: &&Value| {
            it["event"] == event
                && text(it, "fn") == "net/http.(*conn).serve"
                && text(it, "created_file").ends_with("net/http/server.go")
        };
        rows.iter().filter(http).collect::<Vec<_>>()
    };
    assert!(serving("create").len() >= 23, "{rows:?}");
    let exits = serving("exit");
    assert!(exits.len() >= 20 && exits.iter().filter(|it| it["running_ns"].is_u64()).count() >= 20);

    let end = observe(server, &["gr", "seq"], 23).pop().unwrap();
    nothing_lost(&end);
    assert!(number(&end, "count") >= 20, "{end}");

    allocations_are_those_of_the_runtime(server);

    let before = server.metric("go_gc_duration_seconds_count");
    let rows = observe(server, &["gc"], 211);
    let cycles = server.metric("go_gc_duration_seconds_count") - before;
    let (end, rows) = rows.split_last().unwrap();
    nothing_lost(end);
    let of = |event: &str| rows.iter().filter(|it| it["event"] == event).count();
    let marks = of("mark") as f64;
    // One or two may fall into the moments of attaching and detaching.
    assert!(
        marks > 0.0 && marks <= cycles && marks >= cycles - 2.0,
        "{marks} of {cycles}"
    );
    assert!(of("stw") >= 2 * of("mark"), "{rows:?}");

    assert!(server.process.is_running() && server.get("/metrics").is_some());
}

/// Probes count what the runtime's own counters do. These are read from outside, since the program's own metrics lag
/// behind by what each P has cached: by one grtmon around the one with probes, and by one inside of it.
fn allocations_are_those_of_the_runtime(server: &Server) {
    let pid = server.process.pid_arg();
    let start =
        |source| Grtmon::start(&["gm", "--source", source, "--output", "json", "--pid", &pid]);
    let all = [start("counters"), start("probes"), start("counters")];
    for _ in 0..101 {
        assert!(server.get("/metrics").is_some());
    }
    let [around, probes, inside] = all;
    // In the order of their beginnings, backwards.
    let [inside, probes, around] =
        [inside, probes, around].map(|tool| tool.stop().success().json().pop().unwrap());
    nothing_lost(&probes);
    let objects = |end: &Value| number(end, "objects");
    let [least, seen, most] = [&inside, &probes, &around].map(objects);
    assert!(
        (least..=most).contains(&seen),
        "{seen}, not {least}..={most}"
    );
    assert!(
        most - least < least / 2,
        "not a sharp test: {least}..={most}"
    );
    let class = |end: &Value, size: u64| {
        let classes = list(end, "classes").iter();
        let mut found = classes.filter(|it| number(it, "size_bytes") == size);
        found.next().map_or(0, |it| number(it, "objects"))
    };
    // That of 16 B has the blocks of tiny objects for the runtime, real ones only for the probes.
    let sizes = list(&around, "classes")
        .iter()
        .map(|it| number(it, "size_bytes"));
    let sizes: Vec<u64> = sizes.filter(|size| *size != 16).collect();
    assert!(sizes.len() > 10, "{around}");
    for size in sizes {
        let [least, seen, most] = [&inside, &probes, &around].map(|end| class(end, size));
        assert!(
            (least..=most).contains(&seen),
            "{size} B: {seen}, not {least}..={most}"
        );
    }
}

#[test]
fn prometheus() {
    if !require_capabilities_or_skip() {
        return;
    }
    if let Some(mut server) = prometheus_server() {
        undisturbed(|| all_commands(&mut server));
    }
}

#[test]
fn node_exporter() {
    if !require_capabilities_or_skip() {
        return;
    }
    let server = Server::start("prometheus-node-exporter", |address, _| {
        vec![format!("--web.listen-address={address}")]
    });
    if let Some(mut server) = server {
        undisturbed(|| all_commands(&mut server));
    }
}
