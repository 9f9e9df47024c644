//! What is checked where.

use std::{path::Path, sync::Mutex};

use crate::{
    common::{Build, Toolchain, fixture, newest, skip, toolchain},
    guest_files::GuestFiles,
    initramfs::Initramfs,
    machine::{Boot, Image},
    report,
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
}

pub(crate) const AMD64: &Arch = &Arch {
    rust: "x86_64",
    debian: "amd64",
    qemu: "qemu-system-x86_64",
    machine: &["-M", "pc", "-cpu", "max,la57=off"],
    console: "ttyS0",
    strip: "strip",
    loader: ("/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
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
};

/// A check: the test executable it is in, and its name there.
type Check = (&'static str, &'static str);

/// What is checked in the slice too.
const CHECKS: [Check; 9] = [
    ("end_to_end", "older::what_needs_no_program_works"),
    (
        "end_to_end",
        "goroutines::every_goroutine_is_seen_once_with_its_names_and_times",
    ),
    ("gc", "cycles::cycles_are_those_of_gctrace"),
    ("end_to_end", "alloc::classes_equal_the_runtime_s_own"),
    (
        "end_to_end",
        "doctor::it_tells_how_a_program_was_built_and_finds_every_event",
    ),
    (
        "end_to_end",
        "older::events_of_a_grtmon_that_was_killed_are_removed_by_the_next",
    ),
    // Has the kernel load the programs of all commands.
    (
        "end_to_end",
        "lifecycle::attaching_and_detaching_again_and_again_harms_nobody",
    ),
    ("dump", "equal::every_goroutine_is_as_the_runtime_prints_it"),
    ("counters", "quiet::quiet_readings_equal_the_programs_own"),
];

/// What is checked besides with the newest Go in the whole matrix: what these need of the kernel no other Go version needs
/// too, or not.
const MORE_CHECKS: [Check; 17] = [
    (
        "end_to_end",
        "histograms::every_exit_is_in_the_histogram_or_accounted_for",
    ),
    ("gc", "stops::stops_are_those_that_the_runtime_counts"),
    ("end_to_end", "alloc::counters_equal_the_runtime_s_own"),
    (
        "end_to_end",
        "overload::what_is_not_shown_is_counted_as_lost",
    ),
    ("end_to_end", "goroutines::run_queues_are_shown_on_request"),
    ("end_to_end", "goroutines::coroutines_are_goroutines_too"),
    ("sched", "known::every_wait_is_counted_once_for_its_reason"),
    ("sched", "known::totals_are_of_the_same_waits"),
    ("sched", "known::a_sample_has_whole_goroutines"),
    (
        "sched",
        "known::what_goroutines_do_when_their_process_ends_is_counted",
    ),
    ("sched", "known::stacks_say_where_goroutines_block"),
    ("sched", "counters::counters_are_those_of_the_runtime"),
    ("top", "once::a_frame_agrees_with_the_program"),
    ("top", "once::goroutines_are_counted_by_origin"),
    ("top", "once::all_go_processes_are_listed"),
    ("counters", "commands::commands_agree_with_the_program"),
    (
        "counters",
        "commands::stat_prints_as_many_lines_as_it_is_told_and_ends_with_the_process",
    ),
];

/// On a kernel that is locked down.
pub(crate) const LOCKED_DOWN: Check = ("end_to_end", "older::a_kernel_that_is_locked_down_is_said");

/// On a kernel that counts maps as locked memory.
pub(crate) const LOCKED_MEMORY: Check = ("end_to_end", "older::too_little_locked_memory_is_said");

/// Programs of older Go versions.
pub(crate) const OLDER: [(&str, Build); 3] = [
    ("1.19", Build::STRIPPED_PIE),
    ("1.21.13", Build::DEFAULT),
    ("1.23.9", Build::STRIPPED_PIE),
];

/// Debian's kernels for virtual machines.
const CLOUD: &str = "cloud";

/// A kernel of Debian's.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) arch: &'static Arch,
    pub(crate) series: &'static str,
    pub(crate) flavour: &'static str,
    /// What it is told when it is started.
    pub(crate) arguments: &'static str,
    /// What is checked on it alone.
    pub(crate) special: Option<Check>,
}

impl Kernel {
    /// The kernel for virtual machines.
    pub(crate) fn cloud(arch: &'static Arch, series: &'static str) -> Self {
        Self::flavour(arch, series, CLOUD)
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
            special: None,
        }
    }

    /// The same, with a check of its own.
    pub(crate) fn with(self, check: Check) -> Self {
        Self {
            special: Some(check),
            ..self
        }
    }

    /// What is checked on a program, in the whole matrix or in the slice.
    pub(crate) fn checks(&self, is_newest: bool, whole: bool) -> Vec<Check> {
        let mut checks = Vec::new();
        if self.arguments.is_empty() {
            checks.extend(CHECKS);
            if whole && is_newest {
                checks.extend(MORE_CHECKS);
            }
        }
        checks.extend(self.special.filter(|_| is_newest));
        checks
    }

    /// Whether programs of older Go versions are observed on it too, in the whole matrix.
    pub(crate) fn has_older_programs(&self) -> bool {
        self.flavour == CLOUD && self.arguments.is_empty()
    }

    /// The programs that are observed: one in the slice, and on kernels that differ in their build only.
    fn subjects(&self) -> Vec<(Toolchain, Build)> {
        let of_the_newest = (newest().clone(), Build::STRIPPED_PIE);
        if !results::whole_matrix() || !self.has_older_programs() {
            return vec![of_the_newest];
        }
        let picked = results::picked();
        let is_wanted = |version: &str| {
            let picked = picked.as_deref();
            picked.is_none_or(|it| it.split(',').any(|it| it == version))
        };
        let mut subjects: Vec<(Toolchain, Build)> = OLDER
            .into_iter()
            .filter(|(version, _)| is_wanted(version))
            .map(|(version, build)| (toolchain(version), build))
            .filter(|(toolchain, _)| toolchain.version != newest().version)
            .collect();
        subjects.push(of_the_newest);
        subjects
    }
}

/// All kernels, by the names of their tests.
pub(crate) fn kernels() -> [(&'static str, Kernel); 11] {
    [
        ("amd64_6_1", Kernel::cloud(AMD64, "6.1")),
        ("amd64_6_12", Kernel::cloud(AMD64, "6.12")),
        ("amd64_newest", Kernel::cloud(AMD64, "newest")),
        ("arm64_6_1", Kernel::cloud(ARM64, "6.1")),
        ("arm64_6_12", Kernel::cloud(ARM64, "6.12")),
        (
            "amd64_5_10",
            Kernel::cloud(AMD64, "5.10").with(LOCKED_MEMORY),
        ),
        (
            "amd64_locked_down",
            Kernel {
                arguments: "lockdown=confidentiality",
                ..Kernel::cloud(AMD64, "6.12").with(LOCKED_DOWN)
            },
        ),
        ("amd64_rt", Kernel::flavour(AMD64, "6.12", "rt")),
        (
            "arm64_5_10",
            Kernel::cloud(ARM64, "5.10").with(LOCKED_MEMORY),
        ),
        ("arm64_newest", Kernel::cloud(ARM64, "newest")),
        (
            "arm64_pages_of_16_kib",
            Kernel::flavour(ARM64, "newest", "16k"),
        ),
    ]
}

/// Boots the kernel of a test and runs every check on every program.
pub(crate) fn run_named(name: &str) {
    let kernels = kernels();
    let kernel = kernels.iter().find(|it| it.0 == name);
    run(&kernel.unwrap().1);
}

/// Boots a kernel and runs every check on every program.
fn run(kernel: &Kernel) {
    // Two at once would take no less time: without KVM each keeps as many processors busy as it has, and that of another
    // standing still now and then is not what is to be tried.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|it| it.into_inner());
    let image = match Image::of(kernel) {
        Ok(image) => image,
        Err(why) => {
            results::record(&[Cell::missing(kernel, &why)]);
            skip(&why);
            return;
        }
    };
    let mut initramfs = Initramfs::default();
    GuestFiles::of(kernel.arch).put_into(&mut initramfs);
    let (here, there) = kernel.arch.loader;
    initramfs.executable(there, Path::new(here));
    // Whom `ps` names.
    initramfs.file("etc/passwd", b"root:x:0:0:root:/:/\n");
    for directory in ["proc", "sys", "dev", "tmp"] {
        initramfs.directory(directory);
    }
    let mut plan = Vec::new();
    let mut cells = Vec::new();
    for (toolchain, build) in kernel.subjects() {
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
        let matrix = if results::whole_matrix() {
            "full"
        } else {
            "slice"
        };
        let is_newest = toolchain.version == newest().version;
        for (executable, test) in kernel.checks(is_newest, results::whole_matrix()) {
            plan.push(format!("/{executable}\t{test}\t{prebuilt}\t{matrix}"));
        }
        cells.push((prebuilt, toolchain, build));
    }
    initramfs.file("plan", (plan.join("\n") + "\n").as_bytes());
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Some(Boot { console, ended }) = image.boot(kernel, initramfs, scratch) else {
        return;
    };
    let cells: Vec<Cell> = cells
        .iter()
        .map(|(prebuilt, toolchain, build)| {
            let all: Vec<&String> = plan.iter().filter(|it| it.contains(prebuilt)).collect();
            let passed = all.iter().filter(|it| report::passed(&console, it));
            Cell::of(
                kernel,
                &image.release,
                toolchain,
                *build,
                passed.count(),
                all.len(),
            )
        })
        .collect();
    results::record(&cells);
    for line in console.lines().filter(|it| it.starts_with("check\t")) {
        eprintln!("{} {line}", image.release);
    }
    let failed = report::of_failed(&console, &plan);
    assert!(
        failed.is_empty() && ended.is_ok(),
        "{}: {}\n{failed}",
        image.release,
        ended.err().unwrap_or_else(|| "checks failed".to_owned()),
    );
}
