//! Whether what was read is all of the same program.

use anyhow::Result;
use anyhow::bail;

use crate::observe::reader::unreadable;
use crate::target::live::Live;
use crate::target::process::Loaded;

/// Tells the program that a process runs from the one it runs after an exec, be it of the same file.
pub(super) struct Incarnation {
    loaded: Option<Loaded>,
    /// See [`Live::began`]: where the kernel puts programs at fixed addresses, only this differs.
    began: Option<u64>,
}

impl Incarnation {
    /// The one that it runs now.
    pub(super) fn of(live: &Live) -> Result<Self> {
        Ok(Self {
            loaded: live.process.loaded()?,
            began: live.began().ok(),
        })
    }

    /// Fails unless the process still is what it was: neither ended (its number may belong to another by now) nor
    /// replaced. What cannot be told of it is no sign of either.
    pub(super) fn check(&self, live: &Live) -> Result<()> {
        let pid = live.process.pid;
        let loaded = live.process.loaded();
        if !live.process.is_alive() {
            bail!("process {pid} has ended");
        }
        let is_another = match self.began {
            Some(began) if loaded.as_ref().is_ok_and(|now| *now == self.loaded) => {
                live.is_another(began)
            }
            _ => Ok(loaded? != self.loaded),
        };
        match is_another {
            Ok(false) => Ok(()),
            Ok(true) => bail!("process {pid} has replaced itself by exec: look at it anew"),
            Err(why) => Err(unreadable(live, why)),
        }
    }
}
