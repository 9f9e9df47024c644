//! Keeps others from changing a file while there are probes on it.
//!
//! The kernel keeps a probe at a place in a file, whatever is there: when a program is copied over in place, whoever runs
//! it next gets the old program's probes in the middle of the new one's instructions, and dies of that. (While somebody
//! runs it, nobody can write to it.) So the probes must be gone before the first byte changes. With a lease they are: the
//! kernel lets the writer wait until they have been taken away. Where there are no leases (they take the owner of the
//! file or CAP_LEASE, and a file system that has them), the first change is noticed at once and the probes are taken away
//! as fast as may be; until the writer has closed the file nobody can run it.
//!
//! Times and size say whether something may have been done to the file. Whether it was, its contents say: times can be set, to
//! what they were too, and a new name changes them. Held against what was read are the file's beginning, which has the build
//! ids, and the code wherever there are probes.
//!
//! A thread of its own does that, so that nothing else that happens here can delay it.

use std::fs::File;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::thread;
use std::thread::JoinHandle;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::poll;
use nix::sys::inotify::AddWatchFlags;
use nix::sys::inotify::InitFlags;
use nix::sys::inotify::Inotify;

use super::contents::Contents;
use super::descriptor_path;
use super::file_id::FileId;
use super::lease::Asked;
use super::lease::Lease;
use super::opened::Opened;
use super::signals;

/// How often the file is looked at, in ms. For what is not told: a change below an overlay, or on another machine.
const LOOK_MS: u16 = 100;

/// What ended the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Somebody was about to change the file: the probes were gone before.
    Coming,
    /// It was noticed when it had begun.
    Begun,
}

/// What became of a file; shared by those who want to know.
pub(super) type Happened = Arc<OnceLock<Change>>;

/// What must be gone before the file changes.
type Revoke = Box<dyn FnMut() + Send>;

/// A file under guard, until this is dropped.
#[derive(Debug)]
pub struct Guard {
    shared: Arc<Shared>,
    /// Closed to end the thread.
    end: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    file: Opened,
    as_read: FileId,
    contents: Contents,
    happened: Happened,
    revoke: Mutex<Vec<Revoke>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Shared");
        out.field("file", &self.file)
            .field("happened", &self.happened);
        out.finish_non_exhaustive()
    }
}

impl Guard {
    /// Guards a file, which must be as it was when it was read.
    ///
    /// # Errors
    /// It is not, or somebody writes to it now.
    pub(super) fn set(file: &Opened, as_read: FileId, happened: &Happened) -> Result<Self> {
        let shared = Arc::new(Shared::new(file, as_read, happened)?);
        let (until, end) = std::io::pipe().context("cannot make a pipe")?;
        let (ready, is_ready) = bounded(1);
        let thread = thread::Builder::new().name("guard".to_owned());
        let thread = {
            let shared = Arc::clone(&shared);
            signals::left_to_others(|| thread.spawn(move || shared.keep(&until, &ready)))
        };
        let guard = Self {
            shared,
            end: Some(end),
            thread: Some(thread.context("cannot start a thread")?),
        };
        is_ready.recv().context("a thread has ended")??;
        Ok(guard)
    }

    /// Has this done before the file changes.
    pub fn before_change(&self, revoke: impl FnMut() + Send + 'static) {
        self.shared.lock().push(Box::new(revoke));
    }

    /// From now on the file must have this there, as it was when it was read.
    pub fn must_keep(&self, at: u64, bytes: &[u8]) {
        self.shared.contents.must_keep(at, bytes);
    }

    /// Whether the file is not as it was read.
    pub(super) fn has_changed(&self) -> bool {
        self.shared.has_changed()
    }

    /// Does this, during which the file cannot change; `None` if it has changed already.
    pub fn unless_changed<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let _held = self.shared.lock();
        if self.shared.happened.get().is_some() || self.shared.has_changed() {
            // The thread sees it too.
            return None;
        }
        Some(act())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end = None;
        let thread = self.thread.take();
        // Its own thread may be the last to have it.
        let is_own = |thread: &JoinHandle<()>| thread.thread().id() == thread::current().id();
        if let Some(thread) = thread.filter(|thread| !is_own(thread)) {
            // It does not panic, and there is nothing to be done about it.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn new(file: &Opened, as_read: FileId, happened: &Happened) -> Result<Self> {
        Ok(Self {
            file: file.clone(),
            as_read,
            contents: Contents::of(file, as_read)?,
            happened: Arc::clone(happened),
            revoke: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Revoke>> {
        lock(&self.revoke)
    }

    /// The thread: guards the file until the other end of `until` is closed.
    fn keep(&self, until: &PipeReader, ready: &Sender<Result<()>>) {
        let (lease, watch) = match self.begin() {
            Ok(means) => means,
            Err(why) => {
                let _ = ready.send(Err(why));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        loop {
            let told = match (&lease, &watch) {
                (Some(lease), _) => Some(lease.signals.as_fd()),
                (None, watch) => watch.as_ref().map(AsFd::as_fd),
            };
            let mut sources = vec![PollFd::new(until.as_fd(), PollFlags::POLLIN)];
            sources.extend(told.map(|told| PollFd::new(told, PollFlags::POLLIN)));
            // An error, as by a signal, is as good as having been told something.
            let _ = poll(&mut sources, LOOK_MS);
            let is_over = sources.first().and_then(PollFd::any).unwrap_or(false);
            // Whoever waits must not wait for nothing, even at the end.
            if lease.as_ref().is_some_and(Lease::is_called_in) {
                self.happen(Change::Coming);
                return;
            }
            if watch.as_ref().is_some_and(is_modified) || self.has_changed() {
                self.happen(Change::Begun);
                return;
            }
            if is_over {
                return;
            }
        }
        // The lease goes last.
    }

    /// Takes a lease, or else watches; nobody writes to the file then, and it is as it was read.
    fn begin(&self) -> Result<(Option<Lease<'_>>, Option<Inotify>)> {
        let file = self.file.file();
        // Of one that is far neither is to be had but from its server.
        let asked = match self.file.is_far() {
            true => Asked::Refused,
            false => Lease::ask(file).context("cannot guard a file")?,
        };
        let (lease, watch) = match asked {
            Asked::Held(lease) => (Some(lease), None),
            Asked::Refused if self.file.is_far() => (None, None),
            Asked::Refused => (None, watch(file)),
            Asked::Written => bail!(
                "somebody has the file open to write to it: probes would be in the way of what it becomes; start again when it is complete"
            ),
        };
        let now = self.file.now().context("cannot look at a file")?;
        if !now.has_same_contents_for_sure(&self.as_read) {
            bail!("the file changed while it was read; start again");
        }
        Ok((lease, watch))
    }

    fn has_changed(&self) -> bool {
        self.contents.have_changed()
    }

    fn happen(&self, change: Change) {
        // While probes are being attached they cannot be taken away; afterwards nobody attaches any.
        let mut revoke = self.lock();
        for revoke in revoke.iter_mut() {
            revoke();
        }
        // A lease is taken back by force from whoever does not give it back in time, having been stopped, say.
        let was_late = change == Change::Coming && self.has_changed();
        let _ = self
            .happened
            .set(if was_late { Change::Begun } else { change });
    }
}

/// A watch on an inode; none where the system has no more of them to give.
fn watch(file: &File) -> Option<Inotify> {
    let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
    let watch = Inotify::init(flags).ok()?;
    watch
        .add_watch(&descriptor_path(file), AddWatchFlags::IN_MODIFY)
        .ok()?;
    Some(watch)
}

/// Whether the file was written to, or truncated.
fn is_modified(watch: &Inotify) -> bool {
    watch.read_events().is_ok_and(|events| !events.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;
    use std::path::PathBuf;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering;
    use std::time::Duration;
    use std::time::Instant;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("grtmon-{name}.{}", std::process::id()));
            fs::write(&path, "old").unwrap();
            Self(path)
        }

        fn guard(&self, happened: &Happened) -> Guard {
            let file = Opened::near(File::open(&self.0).unwrap());
            set(&file, file.now().unwrap(), happened).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    /// What was open for writing in this process still is, for a moment, in a process that another test has just started.
    fn set(file: &Opened, as_read: FileId, happened: &Happened) -> Result<Guard> {
        for _ in 0..1000 {
            match Guard::set(file, as_read, happened) {
                Err(why) if why.to_string().contains("open to write") => {
                    thread::sleep(Duration::from_millis(5));
                }
                set => return set,
            }
        }
        bail!("it stays open to write")
    }

    #[test]
    fn a_writer_waits_until_all_is_revoked() {
        let scratch = Scratch::new("written");
        let happened = Happened::default();
        let guard = scratch.guard(&happened);
        let revoked = Arc::new(AtomicBool::new(false));
        let path = scratch.0.clone();
        let seen = Arc::clone(&revoked);
        guard.before_change(move || {
            thread::sleep(Duration::from_millis(50));
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            seen.store(true, Ordering::SeqCst);
        });
        assert_eq!(guard.unless_changed(|| 7), Some(7));
        fs::write(&scratch.0, "new").unwrap();
        assert!(revoked.load(Ordering::SeqCst));
        assert_eq!(happened.get(), Some(&Change::Coming));
        assert_eq!(guard.unless_changed(|| 7), None);
    }

    #[test]
    fn another_name_is_no_change() {
        let scratch = Scratch::new("renamed");
        let happened = Happened::default();
        let guard = scratch.guard(&happened);
        let new = Scratch::new("renamed-new");
        fs::rename(&new.0, &scratch.0).unwrap();
        fs::read(&scratch.0).unwrap();
        assert_eq!(guard.unless_changed(|| 7), Some(7));
        drop(guard);
        assert_eq!(happened.get(), None);
        // And it is nobody's any more.
        let begin = Instant::now();
        fs::write(&scratch.0, "new").unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn who_comes_too_late_is_refused() {
        let scratch = Scratch::new("late");
        let writer = File::options().append(true).open(&scratch.0).unwrap();
        let file = Opened::near(File::open(&scratch.0).unwrap());
        let as_read = file.now().unwrap();
        let happened = Happened::default();
        let said = format!("{:#}", Guard::set(&file, as_read, &happened).unwrap_err());
        assert!(said.contains("open to write"), "{said}");
        drop(writer);
        fs::write(&scratch.0, "another").unwrap();
        let said = format!("{:#}", set(&file, as_read, &happened).unwrap_err());
        assert!(said.contains("changed while it was read"), "{said}");
    }

    /// As where there are no leases.
    #[test]
    fn a_watch_tells_of_changes_only() {
        let scratch = Scratch::new("watched");
        let watch = watch(&File::open(&scratch.0).unwrap()).unwrap();
        fs::read(&scratch.0).unwrap();
        assert!(!is_modified(&watch));
        fs::write(&scratch.0, "").unwrap();
        assert!(is_modified(&watch));
    }
}
