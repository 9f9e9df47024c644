//! A command started by us and observed from its first instruction.
//!
//! It must not run before the probes are in place, and the kernel wants its process id to confine them. So what is
//! spawned first is grtmon itself, as a stub that waits for a byte on a pipe and then becomes the command by execve(2):
//! the same process, with nothing of the command executed yet. Should grtmon die meanwhile, the pipe closes and the
//! stub ends without having started anything. A command that is not a Go program itself is let go at once, and followed
//! until it becomes or starts one: see `target::follow`.

use std::ffi::OsString;
use std::fs::File;
use std::io::PipeWriter;
use std::io::Read;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use nix::errno::Errno;
use nix::fcntl::FcntlArg;
use nix::fcntl::FdFlag;
use nix::fcntl::fcntl;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::WaitStatus;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::follow::Follow;
use super::signals;

/// Name of the hidden subcommand the stub runs as.
pub const STUB: &str = "__start";

/// `si_code` of a signal that the kernel itself sent, as the terminal driver does for Ctrl-C
/// (include/uapi/asm-generic/siginfo.h).
const SI_KERNEL: i32 = 0x80;

/// A command that has not begun to run.
#[derive(Debug)]
pub struct Waiting {
    child: Child,
    hold: Hold,
    signals: Option<Signals>,
}

/// What becomes of the signals that grtmon gets.
#[derive(Debug)]
struct Signals {
    told: Arc<Told>,
    /// Who observes is to stop.
    stop: Receiver<()>,
}

/// What has become of the command and of grtmon.
#[derive(Debug)]
struct Told {
    /// The command has ended: there is nobody to pass signals on to.
    has_ended: AtomicBool,
    /// A signal came that ends programs.
    asked: AtomicBool,
    stop: Sender<()>,
}

/// What keeps the command from running.
#[derive(Debug)]
enum Hold {
    /// The stub waits for a byte.
    Pipe(PipeWriter),
    /// It runs already; the Go program in it is stopped at its first instruction until this is dropped.
    Stopped { program: i32, follow: Follow },
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    /// Yields its exit status, once, when it has ended.
    pub ended: Receiver<ExitStatus>,
    /// Says when to stop: a signal came, and there is no command any more to pass it on to.
    pub stop: Receiver<()>,
}

impl Waiting {
    /// Makes the process that will become `command` (program and arguments).
    pub fn prepare(command: &[OsString]) -> Result<Self> {
        let (wait, go_ahead) = std::io::pipe().context("cannot make a pipe")?;
        // The stub inherits this end; the other one stays ours.
        fcntl(&wait, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot pass on a pipe")?;
        let child = Command::new("/proc/self/exe")
            .arg(STUB)
            .arg(wait.as_raw_fd().to_string())
            .arg("--")
            .args(command)
            .spawn()
            .context("cannot start a process")?;
        Ok(Self {
            child,
            hold: Hold::Pipe(go_ahead),
            signals: None,
        })
    }

    /// The process id of the program to be observed; it stays the same when that begins.
    pub fn pid(&self) -> i32 {
        match self.hold {
            Hold::Pipe(_) => self.command_pid(),
            Hold::Stopped { program, .. } => program,
        }
    }

    fn command_pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Lets the command run until it, or what it has started, is about to run a program which is wanted (given by a path
    /// to it). That is then the program to be observed.
    ///
    /// # Errors
    /// It cannot be followed, or has ended without one.
    pub fn follow(self, is_wanted: impl Fn(&PathBuf) -> bool) -> Result<Self> {
        let pid = self.command_pid();
        let Hold::Pipe(mut go_ahead) = self.hold else {
            return Ok(self);
        };
        let follow = Follow::begin(pid)?;
        go_ahead
            .write_all(b"g")
            .context("the command's process has gone before it began")?;
        drop(go_ahead);
        let program = follow.find(is_wanted)?;
        Ok(Self {
            child: self.child,
            hold: Hold::Stopped { program, follow },
            signals: None,
        })
    }

    /// How the command has ended, if it has already, and left a daemon behind.
    fn status(&self) -> Option<ExitStatus> {
        match &self.hold {
            Hold::Stopped { follow, .. } => follow.root_ended(),
            Hold::Pipe(_) => None,
        }
    }

    /// From now on passes on to the command the signals that grtmon gets, as long as it is there.
    ///
    /// # Errors
    /// Signals cannot be received.
    pub fn take_signals(&mut self) -> Result<()> {
        let pid = Pid::from_raw(self.command_pid());
        let (sender, stop) = bounded(1);
        let told = Arc::new(Told {
            has_ended: AtomicBool::new(self.status().is_some()),
            asked: AtomicBool::new(false),
            stop: sender,
        });
        pass_on_signals(pid, Arc::clone(&told))?;
        self.signals = Some(Signals { told, stop });
        Ok(())
    }

    /// Lets the command begin.
    ///
    /// # Errors
    /// It is gone.
    pub fn start(mut self) -> Result<Running> {
        if self.signals.is_none() {
            self.take_signals()?;
        }
        let pid = Pid::from_raw(self.command_pid());
        let status = self.status();
        let signals = self.signals.take().context("nobody takes signals")?;
        let Signals { told, stop } = signals;
        if let Hold::Pipe(mut go_ahead) = self.hold {
            go_ahead
                .write_all(b"g")
                .context("the command's process has gone before it began")?;
        }
        let (sender, ended) = bounded(1);
        thread::Builder::new()
            .name("wait".to_owned())
            .spawn(move || {
                let status = status.or_else(|| end_of(pid));
                told.has_ended.store(true, Ordering::SeqCst);
                if told.asked.load(Ordering::SeqCst) {
                    // What it has left running is not to keep us.
                    let _ = told.stop.try_send(());
                }
                if let Some(status) = status {
                    // Nobody listens any more when grtmon is ending; that is fine.
                    let _ = sender.send(status);
                }
            })
            .context("cannot start a thread")?;
        Ok(Running { ended, stop })
    }
}

/// Waits for the end of the command. (While the thread that traced it lets it go, its stops are reported here, too.)
fn end_of(pid: Pid) -> Option<ExitStatus> {
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => return Some(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Some(ExitStatus::from_raw(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return None,
        }
    }
}

/// The shell's convention: the exit code, or 128 + the signal that ended it.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// What the stub does: wait, then become the command. Returns only if that failed.
pub fn become_command(pipe: i32, command: &[OsString]) -> Result<()> {
    let mut byte = [0];
    let mut wait =
        File::open(format!("/proc/self/fd/{pipe}")).context("cannot open the pipe to grtmon")?;
    // The descriptor itself must not reach the command.
    let inherited = nix::unistd::close(pipe);
    let granted = wait.read(&mut byte).context("cannot read from grtmon")? == 1;
    let Some((program, arguments)) = command
        .split_first()
        .filter(|_| granted && inherited.is_ok())
    else {
        return Ok(());
    };
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot run {}", program.to_string_lossy()))
}

/// Signals that mean something to the command. Those that concern grtmon's own threads are not among them.
const PASSED_ON: [Signal; 8] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGWINCH,
];

fn pass_on_signals(pid: Pid, told: Arc<Told>) -> Result<()> {
    // What is ignored stays so, for grtmon and for the command, which has inherited it: blocked, it would arrive.
    let heard = PASSED_ON.into_iter().filter(|it| !signals::is_ignored(*it));
    let set: SigSet = heard.collect();
    // Threads made later inherit the mask, so the signals arrive nowhere but in the descriptor.
    set.thread_block().context("cannot block signals")?;
    let descriptor = SignalFd::new(&set).context("cannot receive signals")?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let mut is_stopping = false;
            while let Ok(Some(info)) = descriptor.read_signal() {
                // What the terminal sends goes to the whole foreground group: the command has it already.
                let from_terminal = info.ssi_code == SI_KERNEL;
                let ends = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];
                if ends.contains(&info.ssi_signo.cast_signed()) {
                    told.asked.store(true, Ordering::SeqCst);
                    if told.has_ended.load(Ordering::SeqCst) {
                        // The second one ends grtmon at once.
                        if std::mem::replace(&mut is_stopping, true) {
                            std::process::exit(130);
                        }
                        let _ = told.stop.try_send(());
                    }
                }
                if told.has_ended.load(Ordering::SeqCst) {
                    continue;
                }
                if let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed())
                    && !from_terminal
                {
                    // It may have ended in between; its status says so.
                    let _ = kill(pid, signal);
                }
            }
        })
        .context("cannot start a thread")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_follow_the_shell() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
        assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
    }
}
