//! Files that are written whole or not at all.
//!
//! A new file beside it takes its place when it is complete, so that whoever reads it never sees a part, and what was
//! there before stays if something fails. Nothing is written through a symbolic link: in a directory where others may
//! create one, it could lead anywhere. A pipe or a device is written to as it is.

use std::ffi::OsString;
use std::fs;
use std::fs::File;
use std::fs::Metadata;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::path::PathBuf;
use std::process;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::target::pipe;

/// Names that are tried for the new file.
const NAMES: u32 = 100;

/// Writes the bytes to the file.
///
/// # Errors
/// It cannot be written, or it is a symbolic link or a directory.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let there = look(path)?;
    if let Some(there) = &there
        && !there.is_file()
    {
        return Ok(pipe::open_for_writing(path)?.write_all(bytes)?);
    }
    let mut new = New::beside(path)?;
    // Who could not read the file that was there cannot read this one.
    if let Some(there) = there {
        new.file.set_permissions(there.permissions())?;
    }
    new.file.write_all(bytes)?;
    fs::rename(&new.path, path)?;
    new.is_in_place = true;
    Ok(())
}

/// Whether such a file can be written, as far as that can be told beforehand: who profiles for minutes is told at once.
///
/// # Errors
/// It cannot: it is a link, a directory, or in none.
pub(super) fn require_writable(path: &Path) -> Result<()> {
    if look(path)?.is_none() {
        drop(New::beside(path)?);
    }
    Ok(())
}

/// What is there now.
fn look(path: &Path) -> Result<Option<Metadata>> {
    let there = match fs::symlink_metadata(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        there => there?,
    };
    let kind = there.file_type();
    if kind.is_symlink() {
        bail!("it is a symbolic link: name the file that it leads to");
    }
    if kind.is_dir() {
        bail!("it is a directory");
    }
    if !kind.is_file() && !kind.is_fifo() && !kind.is_char_device() {
        bail!("it is neither a file nor a pipe");
    }
    Ok(Some(there))
}

/// A file that has not taken its place yet; it is gone if it never does.
struct New {
    path: PathBuf,
    file: File,
    is_in_place: bool,
}

impl New {
    fn beside(path: &Path) -> Result<Self> {
        let name = path.file_name().context("it names no file")?;
        for number in 0..NAMES {
            let mut hidden = OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}", process::id()));
            let path = path.with_file_name(hidden);
            // It is ours, or there is none: a link that somebody put there is not followed.
            let opened = OpenOptions::new().write(true).create_new(true).open(&path);
            match opened {
                Ok(file) => {
                    return Ok(Self {
                        path,
                        file,
                        is_in_place: false,
                    });
                }
                Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
                Err(why) => return Err(why.into()),
            }
        }
        bail!("every name for a new file beside it is taken")
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("grtmon-{name}-{}", process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<OsString> {
            let entries = fs::read_dir(&self.0).unwrap();
            entries.map(|it| it.unwrap().file_name()).collect()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_was_there_is_replaced_at_once() {
        let scratch = Scratch::new("replaced");
        let path = scratch.0.join("a.json");
        write(&path, b"one").unwrap();
        let before = File::open(&path).unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(std::io::read_to_string(before).unwrap(), "one");
        assert_eq!(scratch.names(), ["a.json"]);
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let scratch = Scratch::new("link");
        let (victim, path) = (scratch.0.join("victim"), scratch.0.join("a.json"));
        fs::write(&victim, "keep").unwrap();
        symlink(&victim, &path).unwrap();
        // Not through one at the name of the new file, either.
        let hidden = format!(".b.json.{}-0", process::id());
        symlink(&victim, scratch.0.join(hidden)).unwrap();
        let refused = write(&path, b"two").unwrap_err().to_string();
        assert!(refused.contains("symbolic link"), "{refused}");
        write(&scratch.0.join("b.json"), b"two").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"keep");
        assert!(write(&scratch.0, b"two").is_err());
    }

    #[test]
    fn a_device_stays_what_it_is() {
        write(Path::new("/dev/null"), b"two").unwrap();
        let there = fs::symlink_metadata("/dev/null").unwrap();
        assert!(there.file_type().is_char_device());
        let refused = write(Path::new("/dev/full"), b"two");
        assert!(refused.is_err());
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let scratch = Scratch::new("fails");
        assert!(write(&scratch.0.join("none/a.json"), b"").is_err());
        assert!(write(Path::new("/"), b"").is_err());
        assert!(scratch.names().is_empty());
    }
}
