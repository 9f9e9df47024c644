//! What is checked where.

use std::path::Path;

use crate::{
    common::{self, Build, Toolchain, fixture, newest, toolchain},
    guest_files::GuestFiles,
    initramfs::Initramfs,
    machine::Image,
    results::{self, Cell},
};

/// An architecture, by its names and tools.
#[derive(Debug)]
pub(crate) struct Arch {
    pub(crate) rust: &'static str,
    /// Debian's name, and Go's.
    pub(crate) debian: &'static str,
    pub(crate) qemu: &'static str,
    pub(crate) machine: &'static [&'static str],
    pub(crate) console: &'static str,
    pub(crate) strip: &'static str,
    /// What position-independent Go programs are started by: here, and there.
    loader: (&'static str, &'static str),
    checks: &'static [(&'static str, &'static [&'static str])],
}

pub(crate) const AMD64: &Arch = &Arch {
    rust: "x86_64",
    debian: "amd64",
    qemu: "qemu-system-x86_64",
    machine: &["-M", "pc", "-cpu", "max,la57=off"],
    console: "ttyS0",
    strip: "strip",
    loader: ("/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
    checks: &CHECKS,
};

pub(crate) const ARM64: &Arch = &Arch {
    rust: "aarch64",
    debian: "arm64",
    qemu: "qemu-system-aarch64",
    // impdef: pointer authentication that is cheap to emulate. Linux before 5.12 does not start on a processor with LPA2.
    machine: &["-M", "virt", "-cpu", "max,pauth-impdef=on,lpa2=off"],
    console: "ttyAMA0",
    strip: "aarch64-linux-gnu-strip",
    loader: (
        "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1",
        "lib/ld-linux-aarch64.so.1",
    ),
    checks: &WITHOUT_SITES,
};

/// The checks, by the test executable they are in.
const CHECKS: [(&str, &[&str]); 3] = [
    (
        "end_to_end",
        &[
            "goroutines::every_goroutine_is_seen_once_with_its_names_and_times",
            "goroutines::a_start_function_called_directly_is_counted_only_when_started",
            "goroutines::what_is_not_shown_is_counted_as_lost",
            "histograms::every_exit_is_in_the_histogram_or_accounted_for",
            "gc::cycles_equal_the_runtime_s_own_trace",
            "gc::every_stop_of_the_world_has_its_reason",
            "alloc::classes_equal_the_runtime_s_own",
            "alloc::counters_equal_the_runtime_s_own",
            "doctor::it_tells_how_a_program_was_built_and_finds_every_event",
            "lifecycle::killing_grtmon_leaves_nothing_behind",
        ],
    ),
    (
        "dump",
        &["equal::every_goroutine_is_as_the_runtime_prints_it"],
    ),
    (
        "counters",
        &["quiet::quiet_readings_equal_the_programs_own"],
    ),
];

/// Where grtmon knows no probe sites.
const WITHOUT_SITES: [(&str, &[&str]); 1] = [(
    "counters",
    &["quiet::quiet_readings_equal_the_programs_own"],
)];

/// A kernel of Debian's.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) arch: &'static Arch,
    pub(crate) series: &'static str,
    pub(crate) flavour: &'static str,
    /// What it is told when it is started.
    pub(crate) arguments: &'static str,
}

impl Kernel {
    /// The kernel for virtual machines.
    pub(crate) fn cloud(arch: &'static Arch, series: &'static str) -> Self {
        Self::flavour(arch, series, "cloud")
    }

    /// Another one.
    pub(crate) fn flavour(
        arch: &'static Arch,
        series: &'static str,
        flavour: &'static str,
    ) -> Self {
        Self {
            arch,
            series,
            flavour,
            arguments: "",
        }
    }
}

/// The programs that are observed: one in the slice.
fn subjects() -> Vec<(Toolchain, Build)> {
    if !results::recording() {
        return vec![(newest().clone(), Build::STRIPPED_PIE)];
    }
    let mut all = Vec::new();
    for version in ["1.19", "1.21.13", "1.23.9", "1.27.3"] {
        for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
            all.push((toolchain(version), build));
        }
    }
    all
}

/// Boots a kernel and runs every check on every program.
pub(crate) fn run(kernel: &Kernel) {
    let image = match Image::of(kernel) {
        Ok(image) => image,
        Err(why) => {
            eprintln!("skipped: {why}");
            results::record(&[Cell::missing(kernel, &why)]);
            return;
        }
    };
    let mut initramfs = Initramfs::default();
    GuestFiles::of(kernel.arch).put_into(&mut initramfs);
    let (here, there) = kernel.arch.loader;
    initramfs.executable(there, Path::new(here));
    for directory in ["proc", "sys", "dev", "tmp"] {
        initramfs.directory(directory);
    }
    let mut plan = Vec::new();
    let mut cells = Vec::new();
    for (toolchain, build) in subjects() {
        let program = fixture(
            &toolchain,
            Build {
                arch: kernel.arch.debian,
                ..build
            },
        );
        let directory = format!("fixtures/{}/{}", toolchain.version, build.name());
        initramfs.executable(&format!("{directory}/testgo"), &program);
        let prebuilt = format!("{}/{}//{directory}", toolchain.version, build.name());
        for (executable, tests) in kernel.arch.checks {
            for test in *tests {
                plan.push(format!("/{executable}\t{test}\t{prebuilt}"));
            }
        }
        cells.push((prebuilt, toolchain, build));
    }
    initramfs.file("plan", (plan.join("\n") + "\n").as_bytes());
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Some(console) = image.boot(kernel, initramfs, scratch) else {
        return;
    };
    let passed = |line: &&String| console.contains(&format!("check\tok\t{line}\t"));
    let cells: Vec<Cell> = cells
        .iter()
        .map(|(prebuilt, toolchain, build)| {
            let all = plan.iter().filter(|it| it.ends_with(prebuilt));
            let passed = all.clone().filter(passed).count();
            Cell::of(
                kernel,
                &image.release,
                toolchain,
                *build,
                passed,
                all.count(),
            )
        })
        .collect();
    results::record(&cells);
    let failed: Vec<&String> = plan.iter().filter(|it| !passed(it)).collect();
    assert!(
        failed.is_empty(),
        "{console}\n{}: {failed:#?}",
        image.release
    );
    for line in console.lines().filter(|it| it.starts_with("check\t")) {
        eprintln!("{} {line}", image.release);
    }
    let _ = common::in_ci;
}
