//! Programs that crash, and their core dumps in every form in which people have them.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::Value;

use crate::{
    common::{self, Build, Output, Toolchain, grtmon, skip, tool},
    core_dump::kernel_writes_files,
    text,
};

/// Waiting goroutines of the program.
const WAITING: usize = 2003;

/// Crashes three functions deep while others wait and two never rest.
const PROGRAM: &str = r#"package main

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

type order struct{ lines []int }

//go:noinline
func innermost(o *order) int { return len(o.lines) }

//go:noinline
func middle(o *order) int { return innermost(o) + 1 }

//go:noinline
func outer() int { return middle(nil) + 1 }

func waits(ch chan int) { <-ch }

var sink [2]uint64

//go:noinline
func turns(i int) {
	for {
		sink[i]++
	}
}

//go:noinline
func spins(i int) { turns(i); sink[i]++ }

func main() {
	ch := make(chan int)
	for i := 0; i < 2003; i++ {
		go waits(ch)
	}
	if os.Args[1] == "unhandled" {
		go spins(0)
		go spins(1)
	}
	time.Sleep(100 * time.Millisecond)
	switch os.Args[1] {
	case "fault":
		outer()
	case "panic":
		panic("over")
	case "unhandled":
		// The kernel's way, not the runtime's, which stops the goroutines first.
		var action [4]uint64
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, 3, uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
		syscall.Kill(os.Getpid(), syscall.SIGQUIT)
	default:
		syscall.Kill(os.Getpid(), syscall.SIGQUIT)
		time.Sleep(time.Hour)
	}
}
"#;

static UNIQUE: AtomicU32 = AtomicU32::new(0);

/// A directory with the core dump of the program, which has ended in this way; `None` if there is none to be had.
struct Crashed {
    directory: PathBuf,
    program: PathBuf,
    core: PathBuf,
    /// What the runtime itself said of it.
    said: String,
}

impl Crashed {
    fn new(toolchain: &Toolchain, build: Build, how: &str) -> Option<Self> {
        if !kernel_writes_files() {
            return None;
        }
        let program = common::program(toolchain, build, "crash", PROGRAM);
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
            "crash-{}-{}-{how}",
            std::process::id(),
            UNIQUE.fetch_add(1, Ordering::Relaxed),
        ));
        fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$1\""])
            .arg(&program)
            .arg(how)
            .current_dir(&directory)
            .env("GOTRACEBACK", "crash")
            .env("GOMAXPROCS", "4")
            .stderr(Stdio::piped());
        let output = command.output().unwrap();
        let mut entries = fs::read_dir(&directory).unwrap();
        let Some(core) = entries.next().map(|entry| entry.unwrap().path()) else {
            skip("the kernel wrote no core dump (limit of its size?)");
            return None;
        };
        Some(Self {
            directory,
            program,
            core,
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Another file beside the core dump.
    fn beside(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn dump(&self, core: &Path, arguments: &[&str]) -> Output {
        let mut all = vec!["dump", "--core", core.to_str().unwrap()];
        all.extend(arguments);
        grtmon(&all)
    }
}

impl Drop for Crashed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Heading and goroutines of `--all`.
fn parts(output: &Output) -> (&str, &str) {
    output.stdout.split_once("\n\n").unwrap()
}

fn functions(goroutine: &text::Goroutine) -> Vec<&str> {
    let frames = goroutine.frames.iter();
    frames.map(|(function, _)| function.as_str()).collect()
}

#[test]
fn the_goroutine_that_died_comes_first_with_its_whole_stack() {
    for toolchain in common::toolchains() {
        for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
            for (how, stack, place) in [
                (
                    "fault",
                    &["main.innermost", "main.middle", "main.outer", "main.main"][..],
                    "in goroutine 1, after a fault at main.innermost",
                ),
                ("panic", &["main.main"], "in goroutine 1, at main.main"),
            ] {
                let Some(crashed) = Crashed::new(toolchain, build, how) else {
                    return;
                };
                let seen = crashed.dump(&crashed.core, &["--all"]).success();
                let (heading, goroutines) = parts(&seen);
                assert!(heading.contains("ended by SIGABRT"), "{heading}");
                assert!(heading.contains(place), "{heading}");
                assert!(goroutines.starts_with("goroutine 1 [running]:\n"));
                let parsed = text::parse(goroutines);
                assert_eq!(functions(&parsed[&1]), stack);
                assert_eq!(parsed.len(), WAITING + 1);
                // The same lines as the runtime printed.
                for (function, place) in &parsed[&1].frames {
                    let line = place.split(' ').next().unwrap();
                    assert!(crashed.said.contains(line), "{function} {line}");
                }
                let groups = crashed.dump(&crashed.core, &[]).success();
                assert!(
                    groups.stdout.contains("\n\n1 goroutine [running] (1):\n"),
                    "{}",
                    groups.stdout
                );
                let json = crashed.dump(&crashed.core, &["--output", "json"]).success();
                let first: Value =
                    serde_json::from_str(json.stdout.lines().next().unwrap()).unwrap();
                assert_eq!(first["event"], "core");
                assert_eq!(
                    (&first["signal"], &first["goid"]),
                    (&"SIGABRT".into(), &1.into())
                );
                assert!(first["size_bytes"].is_null());
            }
        }
    }
}

#[test]
fn goroutines_that_ran_have_their_stacks_from_their_threads() {
    // With an older Go of the matrix the kernel writes no core dump of this program; why is not known.
    for toolchain in [common::newest()] {
        for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
            let Some(handled) = Crashed::new(toolchain, build, "handled") else {
                return;
            };
            let seen = handled.dump(&handled.core, &["--all"]).success();
            assert!(
                parts(&seen).0.contains("got SIGQUIT and ended by SIGABRT"),
                "{}",
                seen.stdout
            );
            let Some(crashed) = Crashed::new(toolchain, build, "unhandled") else {
                return;
            };
            let seen = crashed.dump(&crashed.core, &["--all"]).success();
            let (heading, goroutines) = parts(&seen);
            assert!(heading.contains("ended by SIGQUIT"), "{heading}");
            let parsed = text::parse(goroutines);
            let spinning = parsed
                .values()
                .filter(|one| one.created.is_some() && one.state != "chan receive");
            let mut on_threads = 0;
            for one in spinning {
                assert_eq!(functions(one), ["main.turns", "main.spins"], "{one:?}");
                on_threads += usize::from(one.state == "running");
            }
            assert!(on_threads > 0, "{goroutines}");
        }
    }
}

#[test]
fn core_dumps_are_read_in_the_form_they_are_kept_in() {
    let Some(crashed) = Crashed::new(common::newest(), Build::DEFAULT, "fault") else {
        return;
    };
    let core = fs::read(&crashed.core).unwrap();
    let whole = crashed.dump(&crashed.core, &["--all"]).success();
    let (whole, notes) = (whole.stdout, whole.stderr);

    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&core).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&core).unwrap();
    let zstd = |bytes: &[u8]| {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let (one, other) = core.split_at(core.len() / 3);
    for (name, packed) in [
        ("core.lz4", lz4.finish().unwrap()),
        ("core.gz", gzip.finish().unwrap()),
        ("core.zst", zstd(&core)),
        ("named-otherwise", [zstd(one), zstd(other)].concat()),
        ("of-very-many-parts", with_extended_number(&core)),
    ] {
        let file = crashed.beside(name, &packed);
        let seen = crashed.dump(&file, &["--all"]).success();
        assert_eq!(seen.stderr, notes, "{name}");
        assert!(seen.stdout == whole, "{name}");
        // The number of parts is at the end, and can be done without.
        if name == "of-very-many-parts" {
            let file = crashed.beside(name, &packed[..packed.len() - 64]);
            let seen = crashed.dump(&file, &["--all"]).success();
            assert!(seen.stdout == whole, "{name}");
            continue;
        }
        let file = crashed.beside(name, &packed[..packed.len() * 9 / 10]);
        let seen = crashed.dump(&file, &["--all"]);
        assert!(
            seen.stderr
                .contains("cannot be unpacked further than to byte"),
            "{name}: {}",
            seen.stderr
        );
    }
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    assert!(
        !left
            .map(|it| name(&it))
            .any(|it| it.starts_with("grtmon-core"))
    );
    let file = crashed.beside("core.xz", b"\xfd7zXZ\0 and so on");
    let refused = crashed.dump(&file, &[]);
    assert!(refused.stderr.contains("xz -d"), "{}", refused.stderr);
}

/// As the kernel writes a core dump that has 65,535 parts or more (`PN_XNUM`).
fn with_extended_number(core: &[u8]) -> Vec<u8> {
    let mut bytes = core.to_vec();
    let count = u16::from_le_bytes([core[56], core[57]]);
    bytes[40..48].copy_from_slice(&(core.len() as u64).to_le_bytes());
    for (at, value) in [(56, 0xffff_u16), (58, 64), (60, 1), (62, 0)] {
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    let mut section = [0; 64];
    section[32] = 1;
    section[44..46].copy_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&section);
    bytes
}

#[test]
fn of_a_core_dump_that_is_cut_off_the_rest_is_shown() {
    let Some(crashed) = Crashed::new(common::newest(), Build::DEFAULT, "fault") else {
        return;
    };
    let core = fs::read(&crashed.core).unwrap();
    let whole = crashed.dump(&crashed.core, &["--all"]).success();
    let all = text::parse(parts(&whole).1);
    let mut most = usize::MAX;
    for percent in (1..100).step_by(7).rev() {
        let size = core.len() * percent / 100;
        let file = crashed.beside("cut", &core[..size]);
        let seen = crashed.dump(&file, &["--all"]);
        let said = format!("the core dump is cut off: {size} of {} bytes", core.len());
        assert!(seen.stderr.contains(&said), "{percent}: {}", seen.stderr);
        if !seen.status.success() {
            assert_eq!(seen.stderr.lines().count(), 1);
            continue;
        }
        // Whatever is shown is true.
        let seen = text::parse(parts(&seen).1);
        assert!(seen.len() <= most, "{percent}");
        most = seen.len();
        for (goid, one) in seen {
            let truth = &all[&goid];
            assert_eq!((&one.state, &one.created), (&truth.state, &truth.created));
            assert!(one.frames.is_empty() || one.frames == truth.frames);
        }
    }
    assert!(most < all.len() && most > 0, "{most}");
}

#[test]
fn the_program_may_have_been_stripped_since() {
    let Some(crashed) = Crashed::new(common::newest(), Build::DEFAULT, "fault") else {
        return;
    };
    let (Some(strip), Some(objcopy)) = (tool("strip"), tool("objcopy")) else {
        return;
    };
    let run = |command: &mut Command| assert!(command.status().unwrap().success());
    let (bare, debug) = ("bare", "only.debug");
    let (bare, debug) = (crashed.directory.join(bare), crashed.directory.join(debug));
    run(Command::new(strip)
        .arg("-o")
        .arg(&bare)
        .arg(&crashed.program));
    run(Command::new(objcopy)
        .arg("--only-keep-debug")
        .arg(&crashed.program)
        .arg(&debug));
    let whole = crashed.dump(&crashed.core, &["--all"]).success();
    let of = |program: &Path| {
        crashed.dump(
            &crashed.core,
            &["--all", "--binpath", program.to_str().unwrap()],
        )
    };
    assert!(parts(&of(&bare).success()).1 == parts(&whole).1);
    let refused = of(&debug);
    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("holds no code"),
        "{}",
        refused.stderr
    );
    // The same source, built otherwise.
    let other = common::program(common::newest(), Build::STRIPPED, "crash", PROGRAM);
    let refused = of(&other);
    assert!(
        refused.stderr.contains("is not the program that"),
        "{}",
        refused.stderr
    );
}
