//! A pipe with a name, or a device, to be written to.

use std::fs::File;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Result;
use anyhow::bail;
use nix::fcntl::FcntlArg;
use nix::fcntl::OFlag;
use nix::fcntl::fcntl;

/// Opens it if somebody reads it: to open a pipe that nobody reads holds whoever does for good (fifo(7)).
///
/// # Errors
/// Nobody reads it, or it cannot be opened.
pub fn open_for_writing(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    match options.open(path) {
        Ok(file) => {
            // Its reader may take its time.
            fcntl(&file, FcntlArg::F_SETFL(OFlag::empty()))?;
            Ok(file)
        }
        Err(why) if why.raw_os_error() == Some(libc::ENXIO) => {
            bail!("nobody reads this pipe: start its reader first")
        }
        Err(why) => Err(why.into()),
    }
}
