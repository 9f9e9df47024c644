//! Every way out of an observation passes the account: whoever does not read holds nobody, and what is not seen is said.

use std::{
    fs::File,
    io::{PipeReader, Read},
    os::fd::AsRawFd,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use grtmon::{
    probe::{
        Plan, Probes,
        gc::{self, GcProbes, Wanted},
        kernel::Kernel,
        method,
        place::Place,
    },
    target::{self, Selection, watch::Watch},
};
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon, PATIENCE, Process, command, grtmon, require_root_or_skip},
    subject::{list, nothing_lost, number, observe, once, text},
    users::{Public, SOMEBODY, run},
};

/// Room of a pipe that is soon full: some pages, since no row begins in one that has not room for all that is written at
/// once.
const ROOM: usize = 1 << 14;

/// A grtmon whose standard output, or both, go into a pipe that nobody reads.
struct Stalled {
    child: Child,
    pipe: PipeReader,
    errors: Option<thread::JoinHandle<String>>,
}

impl Stalled {
    fn start(arguments: &[&str], both: bool) -> Self {
        let (pipe, writer) = std::io::pipe().unwrap();
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(ROOM as i32)).unwrap();
        let mut command = command();
        command.args(arguments).stdin(Stdio::null());
        if both {
            command.stderr(writer.try_clone().unwrap());
        } else {
            command.stderr(Stdio::piped());
        }
        let mut child = command.stdout(writer).spawn().unwrap();
        let errors = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut text = String::new();
                stderr.read_to_string(&mut text).unwrap();
                text
            })
        });
        Self {
            child,
            pipe,
            errors,
        }
    }

    /// Waits until a row waits for room in the pipe.
    fn wait_until_full(&mut self) {
        let name = format!("/proc/self/fd/{}", self.pipe.as_raw_fd());
        let begun = Instant::now();
        while waiting(&File::open(&name).unwrap()) < ROOM / 2 {
            assert!(begun.elapsed() < PATIENCE, "nothing is written");
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended");
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(500));
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for its end. What is in the pipe, and what it said.
    fn end(mut self) -> (String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE / 4 {
                self.child.kill().unwrap();
                panic!("it is held by who does not read");
            }
            thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success(), "{status}");
        let mut written = Vec::new();
        self.pipe.read_to_end(&mut written).unwrap();
        let said = self.errors.take().map(|it| it.join().unwrap());
        (
            String::from_utf8_lossy(&written).into_owned(),
            said.unwrap_or_default(),
        )
    }
}

/// How many bytes wait in a pipe.
fn waiting(pipe: &File) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int (ioctl_pipe(2)).
    let read = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    assert_eq!(read, 0);
    usize::try_from(bytes).unwrap()
}

/// The number in front of these words.
fn before(said: &str, words: &str) -> Option<u64> {
    let (front, _) = said.split_once(words)?;
    let number = front.rsplit(|it: char| !it.is_ascii_digit()).next()?;
    number.parse().ok()
}

#[test]
fn rows_that_nobody_reads_hold_nobody_and_are_counted() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["bench-spawn", "-n", "1000000000"]);
        let pid = target.pid_arg();
        target.process.go();
        let arguments = ["gr", "--max-overhead", "none", "--pid", &pid];
        let mut tool = Stalled::start(&arguments, false);
        tool.wait_until_full();
        tool.signal(Signal::SIGINT);
        let (written, said) = tool.end();
        // The heading, and rows; the last one may have begun.
        let rows = written.matches('\n').count() as u64 - 1;
        let shown = before(&said, " rows shown").unwrap();
        let lost = before(&said, ": rows or reports not written").unwrap();
        assert_eq!(rows + lost, shown, "{said}");
        assert!(rows > 0 && lost > 0, "{said}");
        assert!(target.process.is_running());
    });
}

#[test]
fn reports_that_nobody_reads_hold_nobody() {
    once(|subject| {
        let target = Fixture::start(&subject.program, &["parked", "-n", "11"]);
        let pid = target.pid_arg();
        let commands: [&[&str]; 6] = [
            &["gr", "seq", "--interval", "5ms"],
            &["gm", "--source", "probes", "--interval", "5ms", "--all"],
            &["gm", "--source", "counters", "--interval", "5ms", "--all"],
            &["sched", "--interval", "5ms", "--max-goroutines", "1000"],
            &["sched", "--source", "counters", "--interval", "5ms"],
            &["stat", "--interval", "5ms"],
        ];
        for command in commands {
            let mut arguments = command.to_vec();
            arguments.extend(["--duration", "6s", "--pid", &pid]);
            let mut tool = Stalled::start(&arguments, false);
            tool.wait_until_full();
            let (_, said) = tool.end();
            assert!(
                said.contains("rows or reports not written"),
                "{command:?}: {said}"
            );
        }
    });
}

#[test]
fn a_target_that_ends_and_notes_that_nobody_reads() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["bench-spawn", "-n", "1000000000"]);
        let pid = target.pid_arg();
        target.process.go();
        let arguments = ["gr", "--max-overhead", "none", "--pid", &pid];
        let mut tool = Stalled::start(&arguments, true);
        tool.wait_until_full();
        target.process.signal(Signal::SIGKILL);
        tool.end();
        target.process.wait();
    });
}

#[test]
fn what_becomes_another_program_is_said_by_all() {
    once(|subject| {
        let program = subject.program.to_str().unwrap();
        let commands: [&[&str]; 5] = [
            &["gr"],
            &["gr", "seq"],
            &["gc"],
            &["gm", "--source", "probes"],
            &["sched"],
        ];
        for command in commands {
            let mut target = Fixture::start(&subject.program, &["leave", "/bin/sleep", "60"]);
            let pid = target.pid_arg();
            let mut arguments = command.to_vec();
            arguments.extend(["--output", "json", "--duration", "60s", "--pid", &pid]);
            let tool = Grtmon::start(&arguments);
            target.process.go();
            let output = tool.end(Duration::from_secs(50)).success();
            let end = output.json().pop().unwrap();
            left_by_exec(&end, target.pid(), &output.stderr);

            // As a command of its own.
            let mut arguments = vec![
                "--output",
                "json",
                "--",
                program,
                "leave",
                "/bin/sleep",
                "2",
            ];
            arguments.splice(0..0, command.iter().copied());
            let mut tool = self::command();
            tool.args(arguments).env("TESTGO_TALK", "stderr");
            let mut tool = Process::start(tool);
            tool.close_stdin();
            let (status, lines) = tool.wait();
            assert!(status.success(), "{}", tool.stderr());
            let end: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
            let pid = list(&end, "ended")[0]["pid"].as_u64().unwrap();
            left_by_exec(&end, u32::try_from(pid).unwrap(), &tool.stderr());
        }
    });
}

/// The last line and what was said tell that a process runs another program now.
fn left_by_exec(end: &Value, pid: u32, said: &str) {
    assert_eq!(end["event"], "end", "{end}");
    let ended = list(end, "ended");
    assert_eq!(ended.len(), 1, "{end}");
    assert_eq!(ended[0]["cause"], "exec", "{end}");
    assert_eq!(ended[0]["pid"], pid, "{end}");
    assert!(text(&ended[0], "text").contains("sleep"), "{end}");
    let line = format!("process {pid} has become another program by exec");
    assert!(said.contains(&line), "{said}");
}

#[test]
fn probes_that_cost_much_are_taken_away_unless_wanted() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["bench-spawn", "-n", "1000000000"]);
        let pid = target.pid_arg();
        target.process.go();
        // With rows without end, and with none.
        for seq in [&["gr"][..], &["gr", "seq"]] {
            let mut tool = command();
            tool.args(seq).args(["--output", "json", "--pid", &pid]);
            let mut tool = Process::start(tool);
            let (status, lines) = tool.wait();
            assert!(status.success());
            let said = tool.stderr();
            assert!(said.contains("--max-overhead none lifts it"), "{said}");
            let end: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
            assert_eq!(list(&end, "ended")[0]["cause"], "too_dear", "{end}");
        }

        let arguments = [
            "gr",
            "seq",
            "--max-overhead",
            "none",
            "--duration",
            "4s",
            "--pid",
            &pid,
        ];
        let output = grtmon(&arguments).success();
        assert!(!output.stderr.contains("detaching"), "{}", output.stderr);
        assert!(target.process.is_running());
    });
}

#[test]
fn who_is_there_before_is_known_at_the_moment_the_gate_opens() {
    once(|subject| {
        let observed = observe(&subject.program, &["grow"], &["gr", "--output", "json"]);
        let end = observed.end();
        nothing_lost(&end);
        let made = number(&list(&observed.truth, "functions")[0], "created");
        let rows = observed.rows();
        let seen = rows
            .iter()
            .filter(|it| it["event"] == "create" && it["fn"] == "main.stay");
        // The main goroutine, the maker, and a handful of the runtime's.
        let others = number(&end, "alive_before") + seen.count() as u64 - made;
        assert!((2..40).contains(&others), "{others}: {end}");
    });
}

#[test]
fn nothing_is_remembered_of_the_dead() {
    once(|subject| {
        let found = target::resolve(&Selection::File(subject.program.clone())).unwrap();
        let target = &found.targets[0];
        let plan = gc::Plan::of(target, Wanted::Everything).unwrap();
        let method = method::best(&Kernel::current().unwrap()).0;
        let place = Place::of(target, method.for_sites(plan.sites().len())).unwrap();
        let mut probes = GcProbes::attach(target, &plan, &place).unwrap();
        probes.open_gate(0).unwrap();
        let mut process = Fixture::start(&subject.program, &["leave", "/bin/sleep", "60"]);
        let pid = process.pid();
        process.process.go();
        let begun = Instant::now();
        let exe = format!("/proc/{pid}/exe");
        while std::fs::read_link(&exe).unwrap() == subject.program {
            assert!(begun.elapsed() < PATIENCE);
            thread::sleep(Duration::from_millis(10));
        }
        // It has collected, and runs another program now: as good as dead.
        assert!(probes.remembered().contains(&pid));
        let mut watch = Watch::default();
        for process in probes.remembered() {
            watch.meet(process);
        }
        for gone in watch.take_gone(target) {
            probes.forget(gone.process).unwrap();
        }
        assert!(!probes.remembered().contains(&pid));
    });
}

#[test]
fn probes_are_not_set_where_counters_were_meant() {
    if !require_root_or_skip() {
        return;
    }
    let public = Public::new("no-counters");
    let target = public.fixture(SOMEBODY, &["goroutines"]);
    let arguments = ["gm", "--duration", "1ms", "--pid", &target.pid_arg()];
    let output = run(public.with(&[]), &arguments);
    assert!(!output.status.success());
    let said = output.stderr;
    assert!(said.contains("may not read process"), "{said}");
    // Its program may not be opened either: probes are no way out.
    assert!(
        !said.contains("probes") && !said.contains("Tracing"),
        "{said}"
    );
}
