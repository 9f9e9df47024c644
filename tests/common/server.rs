//! Go programs as Debian ships them, at their work on the loopback interface.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::{
    process::{PATIENCE, Process},
    require::tool,
};

/// A server that answers on loopback.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its process.
    pub(crate) process: Process,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Starts it and waits until it answers; `None` if it is not there. `flags` gets its address and a directory.
    pub(crate) fn start(name: &str, flags: impl FnOnce(&str, &str) -> Vec<String>) -> Option<Self> {
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
    pub(crate) fn get(&self, path: &str) -> Option<String> {
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
    pub(crate) fn metric(&self, name: &str) -> f64 {
        *self.metrics().get(name).expect(name)
    }

    /// All of them; those with labels under their whole names.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.get("/metrics").expect("no answer");
        let number = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        answer.lines().filter_map(number).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Debian's prometheus with nothing to do; `None` if it is not there.
pub(crate) fn prometheus() -> Option<Server> {
    Server::start("prometheus", |address, directory| {
        vec![
            format!("--web.listen-address={address}"),
            format!("--config.file={directory}/config.yml"),
            format!("--storage.tsdb.path={directory}/data"),
        ]
    })
}
