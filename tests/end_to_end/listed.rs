//! Go processes whose program is in no file that `ps` could simply look into: each has a row, and what cannot be known of
//! it is `?`, with the reason.

use std::{
    fs,
    io::{Seek, Write},
    os::fd::AsRawFd,
    path::Path,
    process::Command,
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::Value;

use crate::{
    bad_input::scratch,
    common::{
        self, Build, Fixture, Process, copy_program, fixture, grtmon, newest, program,
        require_root_or_skip,
    },
};

const WAITS: &str = r#"package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
}
"#;

/// The row of a process.
fn row(pid: &str) -> Value {
    let rows = grtmon(&["ps", "--output", "json"]).success().json();
    let is_it = |row: &Value| row["pid"].as_u64() == pid.parse().ok();
    rows.into_iter()
        .find(is_it)
        .unwrap_or_else(|| panic!("no row of {pid}"))
}

#[test]
fn programs_without_a_name() {
    let whole = fixture(newest(), Build::STRIPPED);
    let deleted = scratch("listed-deleted");
    copy_program(&whole, &deleted);
    let target = Fixture::start(&deleted, &["dump"]);
    fs::remove_file(&deleted).unwrap();
    assert!(row(&target.pid_arg())["goroutines"].as_u64() > Some(0));

    let mut memory = fs::File::from(memfd_create("prog", MFdFlags::MFD_CLOEXEC).unwrap());
    memory.write_all(&fs::read(&whole).unwrap()).unwrap();
    memory.rewind().unwrap();
    // Only what nobody has open to be written to can be run.
    let path = format!("/proc/{}/fd/{}", std::process::id(), memory.as_raw_fd());
    let reading = fs::File::open(&path).unwrap();
    drop(memory);
    let path = format!("/proc/{}/fd/{}", std::process::id(), reading.as_raw_fd());
    let target = Fixture::start(Path::new(&path), &["dump"]);
    assert!(row(&target.pid_arg())["goroutines"].as_u64() > Some(0));
    grtmon(&["dump", "--pid", &target.pid_arg()]).success();
}

#[test]
fn a_program_run_by_the_loader() {
    let program = fixture(newest(), Build::STRIPPED_PIE_CGO);
    let Some(loader) = crate::followed::linked_by_c(&program) else {
        common::skip("no readelf, or the program needs no loader");
        return;
    };
    let mut command = Command::new(loader);
    command.arg(&program).arg("dump");
    let target = Fixture::start_command(command);
    let row = row(&target.pid_arg());
    assert!(row["goroutines"].is_null(), "{row}");
    let why = row["unread"].as_str().unwrap();
    let said = format!("the Go program is {}", program.display());
    assert!(
        why.contains("dynamic loader") && why.contains(&said),
        "{why}"
    );
}

/// On a mount of FUSE that is closed to root, where such a file system is installed.
#[test]
fn a_program_that_not_even_root_may_read() {
    if !require_root_or_skip() {
        return;
    }
    let has = |name: &str| {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {name}")])
            .output();
        found.is_ok_and(|it| it.status.success())
    };
    if !Path::new("/dev/fuse").exists()
        || !["mksquashfs", "squashfuse", "setpriv"]
            .map(has)
            .iter()
            .all(|it| *it)
    {
        println!("no squashfuse");
        return;
    }
    let room = std::env::temp_dir().join(format!("grtmon-fuse.{}", std::process::id()));
    fs::create_dir_all(room.join("in")).unwrap();
    copy_program(
        &program(newest(), Build::STRIPPED, "waits", WAITS),
        &room.join("in/prog"),
    );
    let script = format!(
        "cd {} && chmod 755 . && mkdir mnt && chown 65534 mnt && mknod fuse c 10 229 && chmod 666 fuse && \
         mksquashfs in image -noappend >/dev/null 2>&1 && chmod 644 image && mount --bind fuse /dev/fuse && \
         exec setpriv --reuid 65534 --regid 65534 --clear-groups \
         sh -c 'squashfuse image mnt && exec mnt/prog'",
        room.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script]);
    let process = Process::start(command);
    process.expect("ready");
    let row = row(&process.pid_arg());
    assert!(row["goroutines"].is_null(), "{row}");
    let why = row["unread"].as_str().unwrap();
    assert!(why.contains("FUSE mount of user 65534"), "{why}");
    drop(process);
    fs::remove_dir_all(&room).unwrap();
}

/// What is closed to us is counted with a reason, and kernel threads are not among it.
#[test]
fn what_may_not_be_looked_at_is_said_with_the_reason() {
    if !require_root_or_skip() {
        return;
    }
    let tool = std::env::temp_dir().join(format!("grtmon-listed.{}", std::process::id()));
    copy_program(Path::new(common::command().get_program()), &tool);
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&tool)
        .arg("ps")
        .output()
        .unwrap();
    fs::remove_file(&tool).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = said
        .lines()
        .find(|line| line.contains("of Go is not known"));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(
        line.contains("it belongs to user 0") && line.contains("CAP_SYS_PTRACE"),
        "{line}"
    );
    let count: usize = line
        .split_ascii_whitespace()
        .find_map(|word| word.parse().ok())
        .unwrap_or(1);
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(|entry| {
        let maps = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        maps.contains("VmExe")
    });
    // Some may have come meanwhile.
    assert!(count <= processes.count() + 50, "{line}");
}
