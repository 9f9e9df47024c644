//! Other ways to observe and other programs: every process of a file, perf events, an unknown Go version, Debian's
//! prometheus.

use std::collections::BTreeMap;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::common::{
    Build, Fixture, Grtmon, Process, fixture, newest, require_capabilities_or_skip, tool,
};
use crate::support::{gctrace, number, observe, of_kind, since_first};

#[test]
fn every_process_of_a_file_and_their_cycles_apart() {
    if !require_capabilities_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::DEFAULT);
    let path = program.to_str().unwrap();
    let mut first = Fixture::start(&program, &["gc"]);
    let tool = Grtmon::start(&["gc", "--cycles", "--output", "json", "--binpath", path]);
    let mut second = Fixture::start(&program, &["gc"]);
    first.process.go();
    second.process.go();
    first.process.expect("done");
    second.process.expect("done");
    let lines = tool.stop().success().json();
    let mut traces = BTreeMap::new();
    for target in [&first, &second] {
        traces.insert(u64::from(target.pid()), target.process.stderr());
    }
    for (pid, stderr) in &traces {
        let of_process = |line: &&Value| line["pid"].as_u64() == Some(*pid);
        let seen: Vec<&str> = lines
            .iter()
            .filter(of_process)
            .map(|line| line["gctrace"].as_str().unwrap())
            .collect();
        assert!(seen.len() > 10);
        assert_eq!(seen, since_first(&gctrace(stderr), &seen));
    }
    first.finish();
    second.finish();
}

#[test]
fn perf_events_do_as_well() {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut target = Fixture::start(&fixture(newest(), Build::STRIPPED_PIE), &["gc"]);
    let arguments = ["gc", "--output", "json", "--pid", &target.pid_arg()];
    let tool = Grtmon::start_with(&arguments, &[("GRTMON_ATTACH", "perf")]);
    target.work();
    let lines = tool.stop().success().json();
    let truth = target.finish();
    assert_eq!(
        of_kind(&lines, "mark").len() as u64,
        number(&truth["cycles"])
    );
    let stops = of_kind(&lines, "stw").len() as u64;
    if newest().minor() < 22 {
        // The runtime does not count its stops yet; each cycle has two.
        return assert!(stops >= 2 * number(&truth["cycles"]), "{stops}");
    }
    let pauses = number(&truth["gc_pauses"]) + number(&truth["other_pauses"]);
    assert_eq!(stops, pauses);
}

#[test]
fn an_unknown_go_version_shows_its_stops_and_cycles() {
    if !require_capabilities_or_skip() {
        return;
    }
    let toolchain = newest();
    if toolchain.minor() < 23 {
        return;
    }
    let original = fixture(toolchain, Build::STRIPPED);
    let known = format!("go{}", toolchain.version);
    let unknown = known.replacen("go1.", "go1.9", 1);
    let unknown = &unknown[..known.len()];
    let mut bytes = std::fs::read(&original).unwrap();
    let places: Vec<usize> = (0..bytes.len() - known.len())
        .filter(|at| bytes[*at..].starts_with(known.as_bytes()))
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + known.len()].copy_from_slice(unknown.as_bytes());
    }
    let copy = original.with_file_name("testgo-unknown-version");
    std::fs::write(&copy, bytes).unwrap();
    std::fs::set_permissions(&copy, std::fs::metadata(&original).unwrap().permissions()).unwrap();

    let (output, truth, _) = observe(&copy, &["gc", "--output", "json"]);
    let lines = output.json();
    let stops = of_kind(&lines, "stw").len() as u64;
    if newest().minor() < 22 {
        // The runtime does not count its stops yet; each cycle has two.
        return assert!(stops >= 2 * number(&truth["cycles"]), "{stops}");
    }
    let pauses = number(&truth["gc_pauses"]) + number(&truth["other_pauses"]);
    assert_eq!(stops, pauses);
    // Where the record of a cycle is has been read from the program's own code.
    assert_eq!(
        of_kind(&lines, "mark").len() as u64,
        number(&truth["cycles"])
    );
}

/// The answer to a request to a server on this machine; `None` as long as nobody listens.
fn get(port: u16, path: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn prometheus_of_debian() {
    if !require_capabilities_or_skip() {
        return;
    }
    let Some(prometheus) = tool("prometheus") else {
        return;
    };
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gc-prometheus");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("prometheus.yml"), "").unwrap();
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut command = Command::new(prometheus);
    command
        .current_dir(&directory)
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .env("GODEBUG", "gctrace=1")
        .env("GOGC", "10");
    let mut target = Process::start(command);
    while get(port, "/-/ready").is_none() {
        assert!(target.is_running(), "{}", target.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    let rows = Grtmon::start(&["gc", "--output", "json", "--pid", &target.pid_arg()]);
    let tool = Grtmon::start(&["gc", "--cycles", "--pid", &target.pid_arg()]);
    let cycles = |target: &Process| gctrace(&target.stderr()).len();
    let enough = cycles(&target) + 20;
    while cycles(&target) < enough {
        get(port, "/metrics").unwrap();
    }
    // What is collected last may be under way.
    std::thread::sleep(Duration::from_millis(500));
    let output = tool.stop().success();
    let rows = rows.stop().success().json();
    target.signal(nix::sys::signal::Signal::SIGTERM);
    target.wait();
    let seen: Vec<&str> = output.stdout.lines().collect();
    let stderr = target.stderr();
    let mut trace = since_first(&gctrace(&stderr), &seen);
    trace.truncate(seen.len());
    assert!(seen.len() >= 15, "{seen:?}");
    assert_eq!(seen, trace);
    for kind in ["mark", "sweep"] {
        assert!(of_kind(&rows, kind).len() >= 15, "{kind}");
    }
    assert!(of_kind(&rows, "stw").len() >= 30);
}
