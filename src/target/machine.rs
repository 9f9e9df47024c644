//! The machine that processes run on.

use anyhow::Context;
use anyhow::Result;
use nix::sys::utsname::uname;
use nix::unistd::SysconfVar;
use nix::unistd::sysconf;

/// Bytes of a page of memory.
pub(super) fn page_size() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok())
        .filter(|size| *size > 0)
        .unwrap_or(4096)
}

/// The release of its kernel, as `uname -r` prints it; also where /proc has no /proc/sys (`subset=pid`, proc(5)).
pub fn kernel_release() -> Result<String> {
    let names = uname().context("cannot ask the kernel for its version")?;
    Ok(names.release().to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_proc() {
        let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        assert_eq!(kernel_release().unwrap(), text.trim());
    }
}
