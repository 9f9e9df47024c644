//! Builds with a profile (`go build -pgo`), and the profiles.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::PathBuf,
    sync::Mutex,
};

use super::build::Build;
use super::built::fixture;
use super::profile;
use super::toolchain::Toolchain;

/// Which calls the compiler takes for frequent, by a profile (`-pgo`; Go 1.21 and later).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) enum Pgo {
    /// Without a profile.
    #[default]
    None,
    /// As people have it: a CPU profile of the fixture under load (testgo/load.pprof).
    Load,
    /// All that a busy program does, but for allocation, what happens a few times in a garbage collection, and a few calls.
    Busy,
    /// All.
    Everything,
}

impl Pgo {
    fn is_hot(self, caller: &str, callee: &str) -> bool {
        const SELDOM: [&str; 6] = [
            "runtime.(*gcControllerState).startCycle",
            "runtime.stopTheWorldWithSema",
            "runtime.startTheWorldWithSema",
            "runtime.freeStackSpans",
            "runtime.runqputslow",
            "runtime.preemptPark",
        ];
        // The ends of a program, signals and tracing: inlined into everything, they are refused by the compiler of Go 1.26
        // (write barriers) and by the linker (stack that must not grow).
        const NEVER: [&str; 13] = [
            "print",
            "panic",
            "fatal",
            "throw",
            "gopanic",
            "rtype.",
            "(*rtype)",
            "name.",
            "trace",
            "(*trace",
            "sig",
            "badsignal",
            "dropm",
        ];
        let ends = |name: &str| {
            let bare = name.strip_prefix("runtime.").unwrap_or_default();
            NEVER.iter().any(|it| bare.starts_with(it))
        };
        // Nor code of other packages inlined into the runtime, where it would have to do without write barriers.
        let leaves = caller.starts_with("runtime.") && !callee.starts_with("runtime.");
        if leaves || ends(caller) || ends(callee) {
            return false;
        }
        match self {
            Self::None | Self::Load => false,
            Self::Busy => {
                // Once in a collection.
                caller != "runtime.gcMarkTermination"
                    && !SELDOM.contains(&callee)
                    && !callee.starts_with("runtime.mallocgc")
            }
            Self::Everything => true,
        }
    }
}

/// The profile that the build asks for. Those made up are made from the fixture, for all programs: with a profile of its
/// own, each would have all packages compiled anew.
pub(super) fn profile(toolchain: &Toolchain, build: Build) -> Option<PathBuf> {
    if build.pgo == Pgo::None || toolchain.minor() < 21 {
        return None;
    }
    if build.pgo == Pgo::Load {
        return Some(concat!(env!("CARGO_MANIFEST_DIR"), "/testgo/load.pprof").into());
    }
    let plain = Build {
        not_inlined: true,
        arch: build.arch,
        ..Build::DEFAULT
    };
    let program = fixture(toolchain, plain);
    static WRITING: Mutex<()> = Mutex::new(());
    let _guard = WRITING.lock().unwrap_or_else(|it| it.into_inner());
    // What was written by another rule is not this profile.
    let mut rule = DefaultHasher::new();
    [include_str!("pgo.rs"), include_str!("profile.rs")].hash(&mut rule);
    let file = program.with_file_name(format!("{:?}-{:016x}.pprof", build.pgo, rule.finish()));
    if !file.is_file() {
        let unfinished = file.with_extension(std::process::id().to_string());
        profile::write(&program, &unfinished, |caller, callee| {
            build.pgo.is_hot(caller, callee)
        });
        fs::rename(&unfinished, &file).unwrap();
    }
    Some(file)
}
