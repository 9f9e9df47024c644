//! Debian's own Go programs, stripped and without DWARF, at their work on the loopback interface.

use serde_json::Value;

use crate::{
    common::{Grtmon, Server, prometheus_server, require_capabilities_or_skip},
    subject::{list, nothing_lost, number, text},
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

    let before = server.metric("go_memstats_mallocs_total");
    let end = observe(server, &["gm", "--source", "probes"], 23)
        .pop()
        .unwrap();
    let after = server.metric("go_memstats_mallocs_total");
    nothing_lost(&end);
    let objects = number(&end, "objects") as f64;
    // The program's own metric lags behind by what each P has cached, at both ends; grtmon counts between them.
    let own = after - before;
    assert!(
        objects > 0.5 * own && objects < 1.25 * own,
        "{objects} {before} {after}"
    );
    assert!(list(&end, "classes").len() > 10, "{end}");

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

#[test]
fn prometheus() {
    if !require_capabilities_or_skip() {
        return;
    }
    if let Some(mut server) = prometheus_server() {
        all_commands(&mut server);
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
        all_commands(&mut server);
    }
}
