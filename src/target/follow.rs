//! A command that is not a Go program itself but becomes or starts one: a script, `env`, `sudo`, `go run`.
//!
//! It is followed by ptrace(2), with all that it starts, up to the first execve(2) of a Go program. That one is stopped
//! before its first instruction, so that probes can be set; then all are let go, and nothing is traced any more. To trace
//! costs them a stop whenever they start a process or a thread, or get a signal, which they get all the same.
//!
//! All of this is done by one thread, as the kernel wants it, and its end lets everything go: also when grtmon is killed.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::OnceLock;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use anyhow::anyhow;
use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use super::signals;

/// What is traced: each new process and thread, and each execve.
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE;

/// A command and what it starts, being followed.
#[derive(Debug)]
pub(super) struct Follow {
    /// What happened; ends when the tracing does.
    seen: Receiver<Seen>,
    /// The answer to each [`Seen::Program`]: go on. Dropping it ends the tracing.
    go_on: Sender<()>,
    /// How the command itself has ended, if it has: what it left running may be what is looked for.
    ended: Arc<OnceLock<i32>>,
}

/// Something that happened.
#[derive(Debug)]
enum Seen {
    /// It is traced now, or cannot be.
    Begun(io::Result<()>),
    /// This process is about to execute the first instruction of another program; it is stopped.
    Program(i32),
    /// All have ended, the command itself with this status (wait(2)).
    Ended(i32),
}

impl Follow {
    /// Begins to trace a child, which runs as soon as it wants to.
    ///
    /// # Errors
    /// Tracing is refused.
    pub(super) fn begin(pid: i32) -> Result<Self> {
        let (tell, seen) = bounded(1);
        let (go_on, answers) = bounded(1);
        let ended = Arc::new(OnceLock::new());
        let root_ended = Arc::clone(&ended);
        let follow = thread::Builder::new().name("follow".to_owned());
        signals::left_to_others(|| follow.spawn(move || trace(pid, &tell, &answers, &root_ended)))
            .context("cannot start a thread")?;
        match seen.recv() {
            Ok(Seen::Begun(Ok(()))) => Ok(Self { seen, go_on, ended }),
            Ok(Seen::Begun(Err(why))) => Err(anyhow!("ptrace is refused ({why})")),
            _ => Err(anyhow!("tracing has ended at once")),
        }
    }

    /// How the command itself has ended, if it has.
    pub(super) fn root_ended(&self) -> Option<ExitStatus> {
        self.ended.get().copied().map(ExitStatus::from_raw)
    }

    /// The first process that runs a program which is wanted; it is stopped until this is dropped.
    ///
    /// # Errors
    /// The command has ended without.
    pub(super) fn find(&self, is_wanted: impl Fn(&PathBuf) -> bool) -> Result<i32> {
        loop {
            match self.seen.recv() {
                Ok(Seen::Program(pid)) => {
                    if is_wanted(&PathBuf::from(format!("/proc/{pid}/exe"))) {
                        return Ok(pid);
                    }
                    let _ = self.go_on.send(());
                }
                Ok(Seen::Begun(_)) => {}
                Ok(Seen::Ended(status)) => {
                    let how = if libc::WIFEXITED(status) {
                        format!("exit code {}", libc::WEXITSTATUS(status))
                    } else {
                        format!("signal {}", libc::WTERMSIG(status))
                    };
                    return Err(anyhow!("it has ended ({how})"));
                }
                Err(_) => return Err(anyhow!("it cannot be followed any further")),
            }
        }
    }
}

/// Traces `root` and what it starts until nobody listens any more.
fn trace(root: i32, tell: &Sender<Seen>, answers: &Receiver<()>, ended: &OnceLock<i32>) {
    // SAFETY: PTRACE_SEIZE takes no address; the options are a number.
    let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, root, 0, OPTIONS as usize) };
    let begun = if seized == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    };
    let failed = begun.is_err();
    if tell.send(Seen::Begun(begun)).is_err() || failed {
        return;
    }
    loop {
        let mut status = 0;
        // SAFETY: the kernel writes the status, which lives until then.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
        if pid < 0 {
            if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted {
                continue;
            }
            // None is left.
            if let Some(status) = ended.get() {
                let _ = tell.send(Seen::Ended(*status));
            }
            return;
        }
        if !libc::WIFSTOPPED(status) {
            if pid == root {
                // A daemon goes on without it.
                let _ = ended.set(status);
            }
            continue;
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        if event == libc::PTRACE_EVENT_EXEC {
            // No answer: it is the one, or nobody waits. All are let go with this thread.
            if tell.send(Seen::Program(pid)).is_err() || answers.recv().is_err() {
                return;
            }
        }
        let (request, passed_on) = match event {
            0 => (libc::PTRACE_CONT, signal),
            // Stopped as by Ctrl-Z: it stays so until it is told to go on.
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => (libc::PTRACE_LISTEN, 0),
            _ => (libc::PTRACE_CONT, 0),
        };
        // SAFETY: neither request takes an address. It fails for a process that has just been killed.
        unsafe { libc::ptrace(request, pid, 0, passed_on as usize) };
    }
}
