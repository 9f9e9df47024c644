//! Everything that can be wrong with what grtmon is asked to do: one clear line, a status that is not 0,
//! and never a panic.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use crate::common::{
    Build, Fixture, Output, copy_program, fixture, grtmon, newest, program, require_root_or_skip,
};

pub(crate) fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}", std::process::id()))
}

/// Fails unless grtmon refused in one line that says all of these words.
pub(crate) fn refused(output: &Output, status: i32, words: &[&str]) {
    let said = &output.stderr;
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert_eq!(output.stdout, "");
    assert!(!said.contains("panicked"), "{said}");
    if status == 1 {
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.starts_with("grtmon: "), "{said}");
    }
    for word in words {
        assert!(said.contains(word), "no {word:?} in: {said}");
    }
}

/// All commands that observe refuse this file alike.
pub(crate) fn refuses_file(path: &Path, words: &[&str]) {
    let path = path.to_str().unwrap();
    for command in ["gr", "gm", "gc"] {
        refused(&grtmon(&[command, "--binpath", path]), 1, words);
    }
    refused(&grtmon(&["gr", "seq", "--binpath", path]), 1, words);
}

#[test]
fn files_that_are_no_go_programs() {
    refuses_file(
        Path::new("/no/such/file"),
        &["/no/such/file", "No such file"],
    );
    refuses_file(Path::new("/tmp"), &["/tmp", "not a file"]);
    refuses_file(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
        &["ELF"],
    );
    refuses_file(Path::new("/bin/true"), &["Go"]);
    refuses_file(Path::new(env!("CARGO_BIN_EXE_grtmon")), &["Go"]);
    let empty = scratch("empty");
    fs::write(&empty, "").unwrap();
    refuses_file(&empty, &[]);
    fs::remove_file(&empty).unwrap();
}

#[test]
fn programs_for_other_machines() {
    let main = "package main\n\nfunc main() { println(1) }\n";
    let build = |arch| {
        program(
            newest(),
            Build {
                arch,
                ..Build::DEFAULT
            },
            "foreign",
            main,
        )
    };
    refuses_file(&build("386"), &["32"]);
    refuses_file(&build("riscv64"), &["riscv"]);
    // What is known of both machines can be looked at on either, but not observed.
    let other = if cfg!(target_arch = "x86_64") {
        "arm64"
    } else {
        "amd64"
    };
    let program = build(other);
    refuses_file(&program, &["cannot run on this machine", "doctor"]);
    let report = grtmon(&[
        "doctor",
        "--output",
        "json",
        "--binpath",
        program.to_str().unwrap(),
    ]);
    let report = report.success().json().pop().unwrap();
    for (event, sites) in report["events"].as_object().unwrap() {
        assert!(sites["fine"] == true, "{event}: {sites}");
    }
}

#[test]
fn damaged_programs() {
    let whole = fs::read(fixture(newest(), Build::STRIPPED)).unwrap();
    let path = scratch("damaged");
    // Cut off at all kinds of places.
    for length in [
        1,
        4,
        16,
        63,
        64,
        100,
        1000,
        4096,
        whole.len() / 10,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        fs::write(&path, &whole[..length]).unwrap();
        let output = grtmon(&[
            "gr",
            "--binpath",
            path.to_str().unwrap(),
            "--duration",
            "1ms",
        ]);
        if !output.status.success() {
            refused(&output, 1, &[]);
        }
    }
    // With rubbish in the headers, and here and there.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..60 {
        let mut bytes = whole.clone();
        let reach = if round % 2 == 0 { 1024 } else { bytes.len() };
        for _ in 0..20 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = usize::try_from(random >> 16).unwrap() % reach;
            bytes[at] = random.to_le_bytes()[0];
        }
        fs::write(&path, &bytes).unwrap();
        let output = grtmon(&[
            "gr",
            "--binpath",
            path.to_str().unwrap(),
            "--duration",
            "1ms",
        ]);
        if !output.status.success() {
            refused(&output, 1, &[]);
        }
    }
    fs::remove_file(&path).unwrap();
}

#[test]
fn processes_that_cannot_be_observed() {
    refused(&grtmon(&["gr", "--pid", "2147483647"]), 1, &["2147483647"]);
    // This test itself is no Go program.
    refused(
        &grtmon(&["gc", "--pid", &std::process::id().to_string()]),
        1,
        &["Go"],
    );
    refused(
        &grtmon(&["gm", "--", "/no/such/program"]),
        1,
        &["/no/such/program"],
    );
    refused(
        &grtmon(&["gm", "--", "no-such-program-anywhere"]),
        1,
        &["no-such-program-anywhere"],
    );
}

#[test]
fn wrong_usage() {
    for arguments in [
        &["gr"][..],
        &["gr", "--pid", "x"],
        &["gr", "--pid", "0"],
        &["gr", "--pid", "-1"],
        &["gr", "--pid", "1", "--binpath", "/bin/true"],
        &["gr", "--pid", "1", "--", "true"],
        &["gr", "--pid", "1", "--fn", "("],
        &["gr", "--pid", "1", "--duration", "soon"],
        &["gr", "--pid", "1", "--duration", "0s"],
        &["gr", "--pid", "1", "--buffer", "5"],
        &["gr", "--pid", "1", "--output", "xml"],
        &["gr", "seq"],
        &["gm", "--pid", "1", "--interval", "-1s"],
        &["no-such-command"],
        &[],
    ] {
        let output = grtmon(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            output.stderr
        );
        assert!(
            output.stdout.is_empty() && !output.stderr.contains("panicked"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn without_privilege_the_way_to_get_it_is_said() {
    if !require_root_or_skip() {
        return;
    }
    // Where nobody else can reach it, neither can this test: a copy everybody may run.
    let directory = std::env::temp_dir().join(format!("grtmon-test.{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let tool = directory.join("grtmon");
    let own = directory.join("testgo");
    copy_program(Path::new(env!("CARGO_BIN_EXE_grtmon")), &tool);
    copy_program(&fixture(newest(), Build::DEFAULT), &own);
    let target = Fixture::start(&own, &["churn"]);

    let nobody = 65534;
    let run = |arguments: &[&str]| {
        let output = Command::new(&tool)
            .args(arguments)
            .uid(nobody)
            .gid(nobody)
            .output()
            .unwrap();
        Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    // Somebody else's process, and one that could be observed if it were not for the capabilities.
    refused(
        &run(&["gr", "--pid", &target.pid_arg()]),
        1,
        &[&target.pid_arg()],
    );
    refused(
        &run(&["gr", "--binpath", own.to_str().unwrap()]),
        1,
        &["CAP_BPF", "CAP_PERFMON", "setcap"],
    );
    drop(target);
    fs::remove_dir_all(&directory).unwrap();
}
