//! Where process_vm_readv(2) cannot be used, memory is read through /proc/PID/mem.

use std::{io, os::unix::process::CommandExt, process::Command};

use crate::common::{self, Build, Fixture};

/// Forbids the call to a command: it gets this error.
fn without_the_call(command: &mut Command, error: i32) {
    // Load the number of the system call; if it is that one, answer with the error; else allow.
    let instruction = |code: i32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let call = u32::try_from(libc::SYS_process_vm_readv).unwrap();
    let code = [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, call),
        instruction(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | error as u32),
        instruction(0x06, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let mut code = code;
        let program = libc::sock_fprog {
            len: code.len() as u16,
            filter: code.as_mut_ptr(),
        };
        // SAFETY: prctl reads the program, which lives until it returns.
        let done = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program, 0, 0) == 0
        };
        if done {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec only prctl is called, which needs no lock and no memory.
    unsafe { command.pre_exec(install) };
}

#[test]
fn without_process_vm_readv_the_memory_file_is_read() {
    let program = common::fixture(common::newest(), Build::DEFAULT);
    let target = Fixture::start(&program, &["dump"]);
    let run = |arguments: &[&str], error: i32| {
        let mut command = common::command();
        command.args(arguments);
        if error != 0 {
            without_the_call(&mut command, error);
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let pid = target.pid_arg();
    let dump = ["dump", "--all", "--pid", pid.as_str()];
    let (ok, expected, said) = run(&dump, 0);
    assert!(ok, "{said}");
    let (_, doctor, _) = run(&["doctor"], 0);
    assert!(doctor.contains("by process_vm_readv"), "{doctor}");
    for (error, why) in [
        (libc::ENOSYS, "this kernel lacks process_vm_readv"),
        (libc::EPERM, "process_vm_readv is forbidden here"),
    ] {
        let (ok, seen, said) = run(&dump, error);
        assert!(ok, "{said}");
        assert_eq!(seen, expected);
        let (ok, seen, said) = run(&["stat", "--count", "1", "--pid", &pid], error);
        assert!(ok && !seen.contains('?'), "{seen}{said}");
        // The same figures, where they do not change.
        for (command, at_rest) in [
            (
                &[
                    "gm",
                    "--source",
                    "counters",
                    "--duration",
                    "1ms",
                    "--pid",
                    &pid,
                ][..],
                "since the process began",
            ),
            (
                &["top", "--once", "--interval", "100ms", "--pid", &pid],
                "main.",
            ),
            (&["ps"], &pid),
        ] {
            let lines = |error: i32| {
                let (ok, seen, said) = run(command, error);
                assert!(ok, "{command:?}: {said}");
                let lines = seen.lines().filter(|line| {
                    let is_row = line.split_whitespace().next() == Some(at_rest);
                    is_row || (command[0] != "ps" && line.contains(at_rest))
                });
                let words = lines.flat_map(str::split_whitespace);
                // How long it has been so is another time.
                let is_time = |word: &&str| {
                    word.ends_with(['s', 'm', 'h'])
                        && word.starts_with(|c: char| c.is_ascii_digit())
                };
                words
                    .filter(|word| !is_time(word))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let expected = lines(0);
            assert!(!expected.is_empty(), "{command:?}");
            assert_eq!(lines(error), expected, "{command:?}");
        }
        let (_, doctor, _) = run(&["doctor"], error);
        assert!(doctor.contains("through /proc/PID/mem"), "{doctor}");
        assert!(doctor.contains(why), "{doctor}");
    }
}
