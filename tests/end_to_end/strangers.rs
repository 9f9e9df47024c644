//! What somebody may take for a Go program that can be observed, and what it is instead: named, with what to do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    bad_input::{refused, refuses_file, scratch},
    common::{self, Build, Fixture, fixture, grtmon, newest, require_root_or_skip, tool},
};

const MAIN: &str = "package main\n\nfunc main() { println(1) }\n";

/// A directory of its own.
fn room(name: &str) -> PathBuf {
    let room = scratch(name);
    fs::create_dir_all(&room).unwrap();
    room
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Builds [`MAIN`] with more settings.
fn built(room: &Path, name: &str, settings: &[(&str, &str)]) -> PathBuf {
    let path = room.join(name);
    fs::write(room.join("main.go"), MAIN).unwrap();
    fs::write(room.join("go.mod"), "module strange\n\ngo 1.19\n").unwrap();
    let mut go = newest().command();
    go.current_dir(room).args(["build", "-o"]).arg(&path);
    run(go.envs(settings.iter().copied()));
    path
}

/// What observes and what looks at a file alike refuse it.
fn refuses(path: &Path, words: &[&str]) {
    refuses_file(path, words);
    let path = path.to_str().unwrap();
    refused(&grtmon(&["doctor", "--binpath", path]), 1, words);
    refused(&grtmon(&["sched", "--binpath", path]), 1, words);
}

#[test]
fn programs_of_other_systems_and_sizes() {
    let room = room("systems");
    let windows = built(&room, "p.exe", &[("GOOS", "windows")]);
    refuses(&windows, &["a program for Windows"]);
    let mac = built(&room, "mac", &[("GOOS", "darwin"), ("GOARCH", "arm64")]);
    refuses(&mac, &["a program for macOS"]);
    let web = built(&room, "p.wasm", &[("GOOS", "js"), ("GOARCH", "wasm")]);
    refuses(&web, &["WebAssembly"]);
    let arm = built(&room, "arm", &[("GOARCH", "arm")]);
    refuses(&arm, &["32-bit program (for arm)", "GOARCH=arm64"]);
    let small = built(&room, "386", &[("GOARCH", "386")]);
    refuses(&small, &["32-bit program (for 386)", "GOARCH=amd64"]);
    let bsd = built(&room, "bsd", &[("GOOS", "freebsd")]);
    refuses_file(
        &bsd,
        &[
            "a program for FreeBSD",
            "cannot run on this machine",
            "doctor",
        ],
    );
    grtmon(&["doctor", "--binpath", bsd.to_str().unwrap()]).success();
    fs::remove_dir_all(&room).unwrap();
}

#[test]
fn what_is_around_a_program_but_is_none() {
    let room = room("around");
    let write = |name: &str, bytes: &[u8]| {
        let path = room.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let whole = fs::read(fixture(newest(), Build::STRIPPED)).unwrap();
    refuses(&write("empty", b""), &["it is empty"]);
    refuses(
        &write("run.sh", b"#!/bin/sh\nexec server\n"),
        &["a script", "-- SCRIPT"],
    );
    refuses(&write("main.go", MAIN.as_bytes()), &["source", "go build"]);
    refuses(&write("notes", b"to do\n"), &["a text file"]);
    refuses(&write("half", &whole[..whole.len() / 2]), &["truncated"]);
    refuses(&write("server.gz", b"\x1f\x8b\x08\0"), &["gzip", "unpack"]);
    refuses(&room, &["a directory, not a file"]);
    built(&room, "p", &[]);
    fs::create_dir_all(room.join("part")).unwrap();
    fs::write(room.join("part/part.go"), "package part\n\nfunc F() {}\n").unwrap();
    let archive = room.join("part.a");
    let mut go = newest().command();
    go.current_dir(&room).args(["build", "-o"]).arg(&archive);
    run(go.arg("./part"));
    refuses(&archive, &["an archive of compiled code", "linked into"]);
    // A test is a program.
    let test = room.join("part.test");
    fs::write(
        room.join("part/part_test.go"),
        "package part\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { F() }\n",
    )
    .unwrap();
    let mut go = newest().command();
    go.current_dir(&room).args(["test", "-c", "-o"]).arg(&test);
    run(go.arg("./part"));
    grtmon(&["doctor", "--binpath", test.to_str().unwrap()]).success();
    fs::remove_dir_all(&room).unwrap();
}

/// A program in C, stripped unless it is needed whole.
fn c_program(room: &Path, name: &str, text: &str, strip: bool) -> Option<PathBuf> {
    let source = room.join(format!("{name}.c"));
    fs::write(&source, text).unwrap();
    let path = room.join(name);
    let mut cc = Command::new(common::tool("cc")?);
    cc.arg("-O0").arg("-o").arg(&path).arg(&source);
    run(if strip { cc.arg("-s") } else { &mut cc });
    Some(path)
}

/// Programs of other compilers, of which there is no package everywhere: made in C, with what gives these away.
#[test]
fn programs_of_other_compilers_and_packers() {
    let room = room("compilers");
    // In halves, the second first, or this test would itself hold them.
    let texts = |one: [&str; 2], other: [&str; 2]| {
        let [one, other] = [one, other].map(|[end, start]| [start, end].concat());
        format!(
            "#include <stdio.h>\nint main(int n, char **v) {{ puts(n > 1 ? \"{one}\" : \"{other}\"); return 0; }}\n"
        )
    };
    let plain = "int main(void) { return 0; }\n";
    let Some(c) = c_program(&room, "c", plain, false) else {
        common::skip("no C compiler");
        return;
    };
    refuses(&c, &["not a Go program"]);

    let gccgo = ["built by gccgo", "libgo", "go build"];
    let libgo = texts(
        ["assertion failure\\n", "%s:%U: libgo "],
        ["reflect-call.c", "libgo/runtime/go-"],
    );
    refuses(
        &c_program(&room, "gccgo-static", &libgo, true).unwrap(),
        &gccgo,
    );
    let exported = room.join("gccgo");
    let Some(objcopy) = common::tool("objcopy") else {
        common::skip("no objcopy");
        return;
    };
    let section = format!(".go_export={}", room.join("c.c").display());
    run(Command::new(objcopy)
        .args(["--add-section", &section])
        .arg(&c)
        .arg(&exported));
    refuses(&exported, &gccgo);

    let tiny = ["built by TinyGo", "go build"];
    let texts = texts(
        ["error at ", "panic: runtime "],
        ["than array", "slice smaller "],
    );
    refuses(
        &c_program(&room, "tiny-stripped", &texts, true).unwrap(),
        &tiny,
    );
    let named =
        "void tinygo_startTask(void) {}\nint main(void) { tinygo_startTask(); return 0; }\n";
    refuses(&c_program(&room, "tiny", named, false).unwrap(), &tiny);

    let mut packed = fs::read(fixture(newest(), Build::STRIPPED)).unwrap();
    let headers = 64 + 56 * usize::from(packed[56]);
    packed[headers + 4..headers + 8].copy_from_slice(b"UPX!");
    // Nothing of the program is left to be seen.
    for byte in &mut packed[4096..] {
        *byte = byte.rotate_left(3) ^ 0x55;
    }
    let path = room.join("packed");
    fs::write(&path, packed).unwrap();
    refuses(&path, &["packed by UPX", "upx -d"]);
    fs::remove_dir_all(&room).unwrap();
}

/// By gccgo itself.
#[test]
fn a_program_built_by_gccgo() {
    let Some(gccgo) = tool("gccgo") else { return };
    let room = room("gccgo");
    fs::write(room.join("main.go"), MAIN).unwrap();
    for flags in [&["-s"][..], &["-s", "-static"], &["-static-libgo"]] {
        let path = room.join("p");
        let mut compile = Command::new(&gccgo);
        compile.args(flags).arg("-o").arg(&path);
        run(compile.arg(room.join("main.go")));
        refuses(&path, &["built by gccgo", "go build"]);
    }
    fs::remove_dir_all(&room).unwrap();
}

/// A C program that loads it, says so, and calls it for each line that it reads.
const HOST: &str = r#"#include <dlfcn.h>
#include <stdio.h>
int main(int n, char **v) {
	char line[9];
	void *library = dlopen(v[1], RTLD_NOW);
	if (!library) { puts(dlerror()); return 1; }
	void (*begin)(void) = (void (*)(void))dlsym(library, "Begin");
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) { begin(); puts("done"); fflush(stdout); }
	return 0;
}
"#;

const LIBRARY: &str = r#"package main

import "C"

import (
	"runtime"
	"time"
)

func work(done chan bool) { done <- true }

//export Begin
func Begin() {
	before := runtime.NumGoroutine()
	done := make(chan bool)
	for i := 0; i < 7; i++ {
		go work(done)
	}
	for i := 0; i < 7; i++ {
		<-done
	}
	for runtime.NumGoroutine() > before {
		time.Sleep(time.Millisecond)
	}
}

func main() {}
"#;

/// Go in a library of a C program: which, and what shows what goes on in it.
#[test]
fn a_c_program_that_loads_a_library_of_go() {
    if !require_root_or_skip() {
        return;
    }
    let room = room("library");
    let Some(host) = c_program(&room, "host", HOST, false) else {
        return;
    };
    fs::write(room.join("library.go"), LIBRARY).unwrap();
    let library = room.join("library.so");
    let mut go = newest().command();
    go.current_dir(&room).env("CGO_ENABLED", "1");
    go.args(["build", "-buildmode=c-shared", "-o"])
        .arg(&library);
    run(go.arg("library.go"));
    let mut command = Command::new(host);
    command.arg(&library);
    let mut target = Fixture::start_command(command);
    let path = library.to_str().unwrap();
    for words in [&["dump"][..], &["stat"], &["gr"], &["doctor"], &["sched"]] {
        let output = grtmon(&[words, &["--pid", &target.pid_arg()]].concat());
        refused(
            &output,
            1,
            &[
                "has loaded the Go library",
                path,
                "gr, gr seq and gc with --binpath",
            ],
        );
    }
    let tool = common::Grtmon::start(&["gr", "--fn", "main.work", "--binpath", path]);
    target.go_until("done");
    let seen = tool.stop();
    let rows = |kind: &str| {
        let rows = seen
            .stdout
            .lines()
            .filter(|line| line.contains("main.work"));
        rows.filter(|line| line.contains(kind)).count()
    };
    assert_eq!((rows("create"), rows("exit")), (7, 7), "{}", seen.stdout);
    // Who has loaded it is not looked for: nobody knows how many there were.
    assert!(
        seen.stderr.contains("? goroutines were there already"),
        "{}",
        seen.stderr
    );
    drop(target);
    fs::remove_dir_all(&room).unwrap();
}
