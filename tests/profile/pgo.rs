//! What the compiler makes of a CPU profile.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::{
    common::{Process, Toolchain, grtmon, require_capabilities_or_skip, toolchains},
    files::pprof,
    parsed::Profile,
    scratch::Scratch,
};

const SOURCE: &str = include_str!("hot.go");

/// Builds the program in a directory; what the compiler says of it.
fn build(toolchain: &Toolchain, directory: &Path, more: &[&str]) -> String {
    let mut command = toolchain.command();
    command
        .current_dir(directory)
        .args(["build", "-gcflags=-m", "-o", "hot"])
        .args(more);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}: {said}", toolchain.version);
    said
}

#[test]
fn the_compiler_takes_it() {
    if !require_capabilities_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        let version = &toolchain.version;
        let scratch = Scratch::new();
        let directory = scratch.path("hot");
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("main.go"), SOURCE).unwrap();
        fs::write(directory.join("go.mod"), "module hot\n\ngo 1.19\n").unwrap();
        let before = build(toolchain, &directory, &[]);
        assert!(!before.contains("inlining call to mix"), "{before}");

        let mut target = Process::start(Command::new(directory.join("hot")));
        target.expect("ready");
        let file = scratch.file("hot.pb.gz");
        let pid = target.pid_arg();
        let words = ["profile", "cpu", "--pid", &pid, "--hz", "499", "-w", &file];
        let end = ["-d", "2s"];
        grtmon(&[&words[..], &end].concat()).success();
        target.close_stdin();
        target.wait_at_most(Duration::from_secs(60));

        for reader in toolchains() {
            let top = pprof(reader, &["-top"], &file);
            assert!(top.contains(" main.mix"), "{}: {top}", reader.version);
        }
        // Which line of its function a call is on is told from where the function begins, since Go 1.20.
        let profile = Profile::read(&scratch.path("hot.pb.gz"));
        for (name, begin) in [("main.mix", "func mix("), ("main.spin", "func spin(")] {
            let mut lines = (1..).zip(SOURCE.lines());
            let (line, _) = lines.find(|(_, text)| text.starts_with(begin)).unwrap();
            let expected = match toolchain.minor() {
                ..20 => 0,
                _ => line,
            };
            assert_eq!(profile.start_lines[name], expected, "{version}: {name}");
        }
        if toolchain.minor() < 21 {
            continue;
        }
        let with = format!("-pgo={file}");
        let after = build(toolchain, &directory, &[&with]);
        let mut told = vec!["inlining call to mix"];
        if toolchain.minor() >= 22 {
            told.push("PGO devirtualizing interface call by.next to xorshift.next");
        }
        for told in told {
            assert!(after.contains(told), "{version}: {told}: {after}");
        }
    }
}
