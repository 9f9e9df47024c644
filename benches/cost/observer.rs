//! Who watches: nobody, an empty program at the same sites, grtmon, bpftrace, the runtime itself.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use grtmon::probe::Plan as _;
use grtmon::{
    go::site::Site,
    probe::{gc, gm, gr, method::Method, noop::Noop, place::Place, sched},
    target::{self, Selection, Target, checked::Checked},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// An observer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Observer {
    /// Nobody.
    Nobody,
    /// An empty program wherever this command has its probes.
    Noop(Probes),
    /// A command of grtmon; the target is added.
    Grtmon(&'static [&'static str]),
    /// A reading command of grtmon that runs again and again, a second apart; `PID` stands for the target.
    Again(&'static [&'static str]),
    /// A script of bpftrace; `BIN` stands for the program.
    Bpftrace(&'static str),
    /// The runtime's own means: a flag of the fixture.
    Flag(&'static str),
    /// The same: an environment variable.
    Environment(&'static str, &'static str),
}

/// The probes of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Probes {
    Gr,
    GrSeq,
    Gm,
    Gc,
    Sched,
}

impl Probes {
    fn sites(self, target: &Target) -> Vec<Site> {
        let options = gr::Options {
            seq: self == Self::GrSeq,
            ..gr::Options::events(4, 1)
        };
        match self {
            Self::Gr | Self::GrSeq => gr::Plan::of(&Checked::of(target), &options)
                .unwrap()
                .sites(),
            Self::Gm => gm::Plan::of(target).unwrap().sites(),
            Self::Sched => {
                let options = sched::Options {
                    by_fn: false,
                    by_process: false,
                    stacks: false,
                    sample: 1,
                    max_goroutines: 1,
                    max_apart: 1,
                    max_stacks: 1,
                };
                sched::Plan::of(&Checked::of(target), &options)
                    .unwrap()
                    .sites()
            }
            Self::Gc => gc::Plan::of(target, gc::Wanted::Everything)
                .unwrap()
                .sites(),
        }
    }
}

/// What the observer says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// How often a probe was hit.
    pub(crate) hits: Option<u64>,
    /// Events it says it lost.
    pub(crate) lost: Option<u64>,
    /// How much of the subject's work it counted.
    pub(crate) counted: Option<u64>,
    /// Its CPU time in seconds.
    pub(crate) cpu_s: Option<f64>,
    /// Its greatest resident size in KiB.
    pub(crate) peak_kib: Option<u64>,
}

/// Has `work` done under observation of process `pid`, which runs `program`. The last line of grtmon
/// says in one of the fields `counted` how much of it was seen.
pub(crate) fn observe(
    observer: Observer,
    pid: u32,
    program: &Path,
    counted: &[&str],
    mut work: impl FnMut(),
) -> Account {
    match observer {
        Observer::Nobody | Observer::Flag(_) | Observer::Environment(..) => {
            work();
            Account::default()
        }
        Observer::Noop(probes) => {
            let pids = Selection::Pids(vec![i32::try_from(pid).unwrap()]);
            let target = target::resolve(&pids).unwrap().targets.pop().unwrap();
            let place = Place::of(&target, Method::Multi).unwrap();
            let floor = Noop::attach(&place, probes.sites(&target)).unwrap();
            work();
            drop(floor);
            Account::default()
        }
        Observer::Grtmon(arguments) => {
            let running = Running::grtmon(arguments, pid);
            work();
            let (account, end) = running.stop();
            let ended = end["ended"].as_array();
            assert!(
                ended.is_none_or(Vec::is_empty),
                "not all was watched: {end}"
            );
            let lost = end["lost"]
                .as_array()
                .map(|causes| causes.iter().filter_map(|it| it["events"].as_u64()).sum());
            Account {
                hits: end["cost"]["hits"].as_u64(),
                lost,
                counted: (!counted.is_empty()).then(|| {
                    let seen = counted.iter().find_map(|it| end[it].as_u64());
                    seen.unwrap_or_else(|| panic!("none of {counted:?} in {end}"))
                }),
                ..account
            }
        }
        Observer::Again(arguments) => {
            let (stop, stopped) = mpsc::channel::<()>();
            thread::scope(|scope| {
                scope.spawn(move || {
                    loop {
                        let status = Command::new(env!("CARGO_BIN_EXE_grtmon"))
                            .args(
                                arguments
                                    .iter()
                                    .map(|it| it.replace("PID", &pid.to_string())),
                            )
                            .stdout(Stdio::null())
                            .stderr(Stdio::null())
                            .status();
                        assert!(status.unwrap().success());
                        if stopped.recv_timeout(Duration::from_secs(1))
                            != Err(RecvTimeoutError::Timeout)
                        {
                            return;
                        }
                    }
                });
                work();
                drop(stop);
            });
            Account::default()
        }
        Observer::Bpftrace(script) => {
            let running = Running::bpftrace(script, program);
            work();
            running.stop().0
        }
    }
}

/// An observer that is a process.
struct Running {
    child: Child,
    output: PathBuf,
}

impl Running {
    fn grtmon(arguments: &[&str], pid: u32) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grtmon"));
        command.args(arguments).args(["--output", "json"]);
        command.args(["--pid", &pid.to_string()]);
        // `stat` says nothing before its first line, for it has nothing to attach.
        let mut word = "";
        if arguments.first() != Some(&"stat") {
            word = "Ctrl-C to end.";
            // What is measured would be too dear for it; what only looks has no such limit.
            if arguments.first() != Some(&"profile") {
                command.args(["--max-overhead", "none"]);
            }
        }
        let running = Self::start(command, word);
        // Once, it measures what a trap takes here.
        thread::sleep(Duration::from_millis(100));
        running
    }

    fn bpftrace(script: &str, program: &Path) -> Self {
        let mut command = Command::new("bpftrace");
        let script = script.replace("BIN", program.to_str().unwrap());
        command.args(["-e", &script]);
        // More than a handful of probes is refused otherwise.
        command.env("BPFTRACE_MAX_PROBES", "4096");
        let running = Self::start(command, "");
        // It says that it attaches, not when it has.
        thread::sleep(Duration::from_secs(3));
        running
    }

    /// Starts it, and waits for this word on its stderr.
    fn start(mut command: Command, word: &str) -> Self {
        let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("observer.out");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(File::create(&output).unwrap())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        if !word.is_empty() {
            let said = lines.by_ref().map_while(Result::ok);
            assert!(said.into_iter().any(|line| line.contains(word)));
        }
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, output }
    }

    /// Its account, and the last line it wrote.
    fn stop(mut self) -> (Account, Value) {
        let pid = self.child.id();
        // Lets it take what is still in its buffers.
        thread::sleep(Duration::from_millis(20));
        let account = Account {
            cpu_s: Some(cpu_s(pid)),
            peak_kib: peak_kib(pid),
            ..Account::default()
        };
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
        let text = fs::read_to_string(&self.output).unwrap();
        let last = text.lines().last().unwrap_or_default();
        (account, serde_json::from_str(last).unwrap_or_default())
    }
}

fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // utime and stime, proc(5), in hundredths of a second.
    let ticks: f64 = fields[11..13]
        .iter()
        .map(|it| it.parse::<f64>().unwrap())
        .sum();
    ticks / 100.0
}

pub(crate) fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
