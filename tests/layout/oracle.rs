//! What is believed of a stripped binary, held against the DWARF of the same build: as the version says, and with members
//! added to the runtime's structures, of which no table knows.

use std::fs;

use grtmon::go::{
    Binary, RuntimeInfo,
    layout::{Fact, Field, Layout, Origin},
};

use crate::common::{Build, Pgo, Toolchain, module, toolchains};

/// What was found out of a stripped binary, and the truth.
pub(crate) struct Twins {
    pub(crate) believed: Layout,
    pub(crate) truth: Layout,
}

impl Twins {
    pub(crate) fn of(toolchain: &Toolchain, build: Build) -> Self {
        let parse = |strip| {
            let path = module(toolchain, Build { strip, ..build }, "layout");
            Binary::parse(fs::read(path).unwrap()).unwrap()
        };
        Self {
            believed: RuntimeInfo::of(&parse(true)).layout,
            truth: Layout::of(&parse(false)),
        }
    }

    /// Of how many fields the code says something.
    fn said(&self) -> usize {
        let said = |field: &&Field| {
            let trace = self.believed.trace(**field);
            trace.is_some_and(|trace| trace.said.is_some())
        };
        Field::ALL.iter().filter(said).count()
    }

    /// What would be used without asking a process, and is not so.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let wrong = |field: &&Field| {
            let Fact::Known(truth, Origin::Dwarf) = self.truth.fact(**field) else {
                return false;
            };
            let said = self.believed.offset(**field);
            !self.believed.is_assumed(**field) && said.is_some_and(|said| said != *truth)
        };
        let show = |field: &Field| {
            let (said, truth) = (self.believed.fact(*field), self.truth.offset(*field));
            format!("{field}: {said:?}, DWARF {truth:?}")
        };
        Field::ALL.iter().filter(wrong).map(show).collect()
    }
}

/// However the runtime was compiled.
#[test]
fn other_code() {
    let mut wrong = Vec::new();
    for toolchain in toolchains() {
        let flags = ["-l", "-l=4", "-N -l"].map(|gcflags| Build {
            gcflags,
            ..Build::DEFAULT
        });
        let profiles = [Pgo::Busy, Pgo::Everything].map(|pgo| Build {
            pgo,
            ..Build::DEFAULT
        });
        let arm64 = ["", "-l", "-l=4", "-N -l"].map(|gcflags| Build {
            gcflags,
            ..Build::ARM64
        });
        for build in [&flags[..], &profiles[..], &arm64[..]].concat() {
            let name = format!("Go {} {}", toolchain.version, build.name());
            let twins = Twins::of(toolchain, build);
            println!("{name}: {} fields by code", twins.said());
            wrong.extend(twins.wrong().iter().map(|it| format!("{name}: {it}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever is believed is so: also of what lies behind all members that code speaks of.
#[test]
fn members_that_a_vendor_added() {
    let mut wrong = Vec::new();
    for toolchain in toolchains() {
        for vendor in ["early", "middle", "late"] {
            let build = Build {
                vendor,
                ..Build::DEFAULT
            };
            for it in Twins::of(toolchain, build).wrong() {
                wrong.push(format!("Go {} {vendor}: {it}", toolchain.version));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
