//! Debian's own Go programs, stripped and without DWARF, at their work on the loopback interface.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    common::{Grtmon, PATIENCE, Process, require_capabilities_or_skip, tool},
    subject::{list, nothing_lost, number, text},
};

/// A server that answers on loopback.
struct Server {
    process: Process,
    port: u16,
    directory: PathBuf,
}

impl Server {
    fn start(name: &str, flags: impl FnOnce(&str, &str) -> Vec<String>) -> Option<Self> {
        let program = tool(name)?;
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}.{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(
            directory.join("config.yml"),
            "global: {scrape_interval: 1s}\n",
        )
        .unwrap();
        // A port that was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(program);
        command
            .args(flags(&address, directory.to_str().unwrap()))
            .current_dir(&directory);
        let server = Self {
            process: Process::start(command),
            port,
            directory,
        };
        let start = Instant::now();
        while server.get("/metrics").is_none() {
            assert!(
                start.elapsed() < PATIENCE,
                "{name} does not answer:\n{}",
                server.process.stderr()
            );
            thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// One request, on a connection of its own.
    fn get(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(
            connection,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200 ").then_some(answer)
    }

    /// A number that the server tells of itself.
    fn metric(&self, name: &str) -> f64 {
        let answer = self.get("/metrics").expect("no answer");
        let line = answer.lines().find(|it| it.split(' ').next() == Some(name));
        line.and_then(|it| it.split(' ').nth(1))
            .and_then(|it| it.parse().ok())
            .expect(name)
    }

    /// Runs a command on it while it answers `requests` requests.
    fn observe(&self, command: &[&str], requests: usize) -> Vec<Value> {
        let pid = self.process.pid_arg();
        let mut arguments = command.to_vec();
        arguments.extend(["--output", "json", "--pid", &pid]);
        let tool = Grtmon::start(&arguments);
        for _ in 0..requests {
            assert!(
                self.get("/metrics").is_some(),
                "no answer under {command:?}"
            );
        }
        tool.stop().success().json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn all_commands(server: &mut Server) {
    let rows = server.observe(&["gr", "--buffer", "16384"], 23);
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

    let end = server.observe(&["gr", "seq"], 23).pop().unwrap();
    nothing_lost(&end);
    assert!(number(&end, "count") >= 20, "{end}");

    let before = server.metric("go_memstats_mallocs_total");
    let end = server.observe(&["gm"], 23).pop().unwrap();
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
    let rows = server.observe(&["gc"], 211);
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
    let server = Server::start("prometheus", |address, directory| {
        vec![
            format!("--web.listen-address={address}"),
            format!("--config.file={directory}/config.yml"),
            format!("--storage.tsdb.path={directory}/data"),
        ]
    });
    if let Some(mut server) = server {
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
