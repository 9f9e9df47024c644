//! Processes that a test starts: their lines with a time limit, and an end in any case.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, Once, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{SigHandler, Signal, kill, signal},
    unistd::Pid,
};
use serde_json::Value;

/// How long anything may take that normally takes a moment; the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    lines: mpsc::Receiver<String>,
    errors: Arc<Mutex<String>>,
    errors_end: thread::JoinHandle<()>,
}

/// A shell that runs the tests in its background has them ignore SIGINT, and nohup(1) SIGHUP, which whoever is started here
/// would inherit.
#[allow(unsafe_code, reason = "signal(2)")]
fn heed_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for one in [Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM] {
            // SAFETY: it sets no handler.
            unsafe { signal(one, SigHandler::SigDfl) }.unwrap();
        }
    });
}

impl Process {
    /// Starts it with pipes for stdin, stdout and stderr.
    pub(crate) fn start(mut command: Command) -> Self {
        heed_signals();
        let name = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|it| panic!("cannot start {name}: {it}"));
        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let sink = Arc::clone(&errors);
        let errors_end = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut sink = sink.lock().unwrap();
                sink.push_str(&line);
                sink.push('\n');
            }
        });
        Self {
            child,
            name,
            lines,
            errors,
            errors_end,
        }
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its pid as an argument for grtmon.
    pub(crate) fn pid_arg(&self) -> String {
        self.pid().to_string()
    }

    /// The next line of stdout; `None` at its end.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!(
                    "no line from {} within {PATIENCE:?}; stderr:\n{}",
                    self.name,
                    self.stderr()
                )
            }
        }
    }

    /// Waits for the line `word`.
    pub(crate) fn expect(&self, word: &str) {
        let line = self.line();
        assert_eq!(
            line.as_deref(),
            Some(word),
            "from {}; stderr:\n{}",
            self.name,
            self.stderr()
        );
    }

    /// Sends an empty line: the go-ahead.
    pub(crate) fn go(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("stdin is closed");
        stdin.write_all(b"\n").and_then(|()| stdin.flush()).unwrap();
    }

    /// Closes stdin.
    pub(crate) fn close_stdin(&mut self) {
        self.child.stdin = None;
    }

    /// What it has written to stderr so far, in whole lines.
    pub(crate) fn stderr(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// Waits until stderr has a line that contains `text`.
    pub(crate) fn expect_stderr(&mut self, text: &str) {
        let start = Instant::now();
        while !self.stderr().lines().any(|line| line.contains(text)) {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(50)); // the reader may lag behind
                if self.stderr().lines().any(|line| line.contains(text)) {
                    return;
                }
                panic!(
                    "{} ended ({status}) without {text:?}; stderr:\n{}",
                    self.name,
                    self.stderr()
                );
            }
            assert!(
                start.elapsed() < PATIENCE,
                "no {text:?} from {}; stderr:\n{}",
                self.name,
                self.stderr()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Whether it would hear of Ctrl-C by now.
    pub(crate) fn heeds_interrupts(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| line.strip_prefix("SigCgt:\t"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok());
        mask.is_some_and(|mask| mask & 1 << (Signal::SIGINT as i32 - 1) != 0)
    }

    /// `true` until it has ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; gives its status and the lines of stdout not read yet.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        self.wait_at_most(PATIENCE)
    }

    /// As [`Process::wait`], with a limit of its own.
    pub(crate) fn wait_at_most(&mut self, limit: Duration) -> (ExitStatus, Vec<String>) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed() < limit,
                "{} still runs after {limit:?}; stderr:\n{}",
                self.name,
                self.stderr()
            );
            thread::sleep(Duration::from_millis(2));
        };
        // A child of its own may keep the pipe open; what it had to say is there by now, or in a moment.
        let mut lines = Vec::new();
        let moment = |lines: &Vec<String>| match lines.as_slice() {
            [] => Duration::from_secs(10),
            _ => Duration::from_secs(2),
        };
        while let Ok(line) = self.lines.recv_timeout(moment(&lines)) {
            lines.push(line);
        }
        let end = Instant::now();
        while !self.errors_end.is_finished() && end.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(1));
        }
        (status, lines)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process of `testgo` that has said `ready`.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// The process itself.
    pub(crate) process: Process,
}

impl Fixture {
    /// Starts a mode and waits for `ready`.
    pub(crate) fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::start_command(command)
    }

    /// As [`Fixture::start`], with an environment.
    pub(crate) fn start_command(command: Command) -> Self {
        let process = Process::start(command);
        process.expect("ready");
        Self { process }
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its pid as an argument for grtmon.
    pub(crate) fn pid_arg(&self) -> String {
        self.process.pid_arg()
    }

    /// Gives the go-ahead and waits until the next stop: a word like `parked`.
    pub(crate) fn go_until(&mut self, word: &str) {
        self.process.go();
        self.process.expect(word);
    }

    /// Gives the go-ahead and waits for `done`.
    pub(crate) fn work(&mut self) {
        self.go_until("done");
    }

    /// Gives the go-ahead for the account, and for the exit, which must be clean.
    pub(crate) fn finish(mut self) -> Value {
        self.process.go();
        let line = self.process.line().expect("no account of the work");
        let truth = serde_json::from_str(&line).unwrap_or_else(|it| panic!("{it}: {line}"));
        self.process.go();
        let (status, _) = self.process.wait();
        assert!(
            status.success(),
            "{status}; stderr:\n{}",
            self.process.stderr()
        );
        truth
    }
}
