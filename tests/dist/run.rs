//! Commands, and a place for what they make.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use super::common::skip;

/// Standard output of a command that has to succeed.
pub(crate) fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Whether there is this program; if not, what needs it is skipped.
pub(crate) fn have(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|it| it.join(name).is_file());
    if !found {
        skip(&format!("no {name}"));
    }
    found
}

/// A path in the checkout.
pub(crate) fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A directory outside of the checkout, removed in the end.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static UNIQUE: AtomicU32 = AtomicU32::new(0);
        let number = UNIQUE.fetch_add(1, Ordering::Relaxed);
        let name = format!("grtmon-dist.{}.{number}", std::process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        Self(directory)
    }

    /// A file in it with this text.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over is in the temporary directory.
        _ = fs::remove_dir_all(&self.0);
    }
}
