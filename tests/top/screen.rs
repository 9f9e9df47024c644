//! A pseudo-terminal with grtmon on it.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsFd,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use nix::{
    pty::{Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{FlowArg, Termios, tcflow, tcgetattr},
    },
    unistd::{Pid, ttyname},
};

use crate::{common::PATIENCE, emulator::Emulator};

/// Sequences by which a program takes a terminal, and gives it back (xterm's control sequences).
pub(crate) const ENTERS: &str = "\x1b[?1049h";
pub(crate) const LEAVES: &str = "\x1b[?1049l";
pub(crate) const SHOWS_CURSOR: &str = "\x1b[?25h";

/// A program on a terminal of its own.
pub(crate) struct Screen {
    child: Child,
    keyboard: File,
    /// Held open, so that its state can be asked for after the program's end.
    terminal: File,
    before: Termios,
    seen: Arc<Mutex<Seen>>,
}

/// What was written to it.
struct Seen {
    /// As it was written.
    written: String,
    /// As it looks.
    emulator: Emulator,
}

impl Screen {
    /// Starts a program on a terminal of 80 columns and 24 lines.
    pub(crate) fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).unwrap();
        let terminal = File::from(pty.slave);
        let before = tcgetattr(&terminal).unwrap();
        let end = || terminal.try_clone().unwrap();
        // setsid makes it the controlling terminal and becomes the program, with the same pid.
        let child = Command::new("setsid")
            .arg("--ctty")
            .arg(program)
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        let keyboard = File::from(pty.master);
        let mut output = keyboard.try_clone().unwrap();
        let seen = Arc::new(Mutex::new(Seen {
            written: String::new(),
            emulator: Emulator::new(80, 24),
        }));
        let sink = Arc::clone(&seen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut seen = sink.lock().unwrap();
                let text = String::from_utf8_lossy(&bytes[..count]);
                seen.written.push_str(&text);
                seen.emulator.write(&bytes[..count]);
            }
        });
        Self {
            child,
            keyboard,
            terminal,
            before,
            seen,
        }
    }

    /// Starts grtmon.
    pub(crate) fn grtmon(arguments: &[&str]) -> Self {
        Self::start(env!("CARGO_BIN_EXE_grtmon"), arguments, &[])
    }

    /// Waits until the screen shows all of these.
    pub(crate) fn shows(&self, words: &[&str]) {
        let start = Instant::now();
        loop {
            let text = self.seen.lock().unwrap().emulator.text();
            if words.iter().all(|word| text.contains(word)) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {words:?} on\n{text}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until this was written, wherever it has scrolled to.
    pub(crate) fn wrote(&self, words: &str) {
        let start = Instant::now();
        loop {
            let written = self.seen.lock().unwrap().written.clone();
            if written.contains(words) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no {words:?} in\n{written}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// As it looks.
    pub(crate) fn text(&self) -> String {
        self.seen.lock().unwrap().emulator.text()
    }

    /// Presses keys, and waits for what they bring about.
    pub(crate) fn press(&mut self, keys: &str, words: &[&str]) {
        self.type_in(keys);
        self.shows(words);
    }

    /// Gives the terminal another size, as a window that is drawn larger does.
    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        let mut seen = self.seen.lock().unwrap();
        seen.emulator.resize(columns.into(), lines.into());
        drop(seen);
        let device = ttyname(self.terminal.as_fd()).unwrap();
        let status = Command::new("stty")
            .arg("-F")
            .arg(device)
            .args(["rows", &lines.to_string(), "cols", &columns.to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        kill(pid, signal).unwrap();
    }

    /// Keeps the terminal from taking anything more, as Ctrl-S does where a program has not set it to raw.
    pub(crate) fn stop_output(&self) {
        tcflow(&self.terminal, FlowArg::TCOOFF).unwrap();
    }

    /// Waits for its end, whatever becomes of the terminal.
    pub(crate) fn exit(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE / 4, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Presses a key without waiting for anything.
    pub(crate) fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for its end; the terminal must then be as it was before, the cursor shown, the alternate screen left. Gives
    /// the status, and what was written after the alternate screen was left.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        };
        // What it wrote last may not have been read yet.
        let written = loop {
            let written = self.seen.lock().unwrap().written.clone();
            if written.contains(SHOWS_CURSOR) {
                break written;
            }
            assert!(start.elapsed() < PATIENCE, "{written:?}");
            thread::sleep(Duration::from_millis(5));
        };
        thread::sleep(Duration::from_millis(50));
        let entered = written.rfind(ENTERS).expect("it took no terminal");
        let left = written.rfind(LEAVES).unwrap();
        assert!(entered < left, "{written:?}");
        let after = &written[left..];
        assert!(after.contains(SHOWS_CURSOR), "{after:?}");
        let now = tcgetattr(&self.terminal).unwrap();
        assert!(now == self.before, "{now:?} instead of {:?}", self.before);
        (status, after.to_owned())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
