//! A virtual machine: QEMU without KVM, a kernel, a file system in memory, and a console.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{cells::Kernel, common::skip, initramfs::Initramfs};

/// No boot with all its checks takes so long, in seconds, however slow the machine.
const LIMIT: &str = "3600";

/// A kernel on this machine.
#[derive(Debug)]
pub(crate) struct Image {
    file: PathBuf,
    /// As `uname -r` has it.
    pub(crate) release: String,
}

/// What came of a boot.
#[derive(Debug)]
pub(crate) struct Boot {
    /// What the console showed.
    pub(crate) console: String,
    /// Whether all checks were run; otherwise how it ended.
    pub(crate) ended: Result<(), String>,
}

impl Image {
    /// From the cache or else from Debian's archive, or why not.
    pub(crate) fn of(kernel: &Kernel) -> Result<Self, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/kernel.sh");
        let output = Command::new(script)
            .args([kernel.arch.debian, kernel.series, kernel.flavour])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(77) => return Err(said.lines().last().unwrap_or_default().to_owned()),
            _ => panic!("{script}: {}\n{said}", output.status),
        }
        let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let release = fs::read_to_string(directory.join("release")).unwrap();
        Ok(Self {
            file: directory.join("vmlinuz"),
            release: release.trim().to_owned(),
        })
    }

    /// Boots it and waits until it is off. `None` if there is no QEMU, which is said.
    pub(crate) fn boot(
        &self,
        kernel: &Kernel,
        initramfs: Initramfs,
        directory: &Path,
    ) -> Option<Boot> {
        let name = [self.release.as_str(), kernel.arguments].join(" ");
        let name = name.trim_end().replace([' ', '=', '/'], "-");
        let archive = directory.join(format!("{name}.cpio"));
        fs::write(&archive, initramfs.finish()).unwrap();
        // A file: whoever does not want to wait can watch it.
        let log = directory.join(format!("{name}.console"));
        let console = kernel.arch.console;
        // panic=-1 and -no-reboot: a crash ends the machine at once.
        let line = format!(
            "console={console} loglevel=4 panic=-1 oops=panic mitigations=off random.trust_cpu=on rdinit=/init {}",
            kernel.arguments
        );
        let output = Command::new("timeout")
            .args(["-k", "5", LIMIT, kernel.arch.qemu])
            .args(kernel.arch.machine)
            .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", "1024M"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-serial", "stdio"])
            .arg("-kernel")
            .arg(&self.file)
            .arg("-initrd")
            .arg(&archive)
            .args(["-append", &line])
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .output()
            .unwrap();
        fs::remove_file(&archive).unwrap();
        if output.status.code() == Some(127) {
            skip(&format!("no {}", kernel.arch.qemu));
            return None;
        }
        let console = fs::read(&log).unwrap();
        let console = String::from_utf8_lossy(&console).replace('\r', "");
        let ended = if console.contains("all checks have run") {
            Ok(())
        } else {
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("{} {errors}", output.status))
        };
        Some(Boot { console, ended })
    }
}
