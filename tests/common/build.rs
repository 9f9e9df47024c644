//! The ways in which Go programs are built, and those of this run.

use std::env;

use super::embedded::Embedded;
use super::pgo::Pgo;
use super::toolchain::{Toolchain, full_matrix, prebuilt, wide_matrix};

/// How a Go program is built.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Build {
    /// `-ldflags="-s -w"`: no symbol table, no DWARF.
    pub(crate) strip: bool,
    /// `-buildmode=pie`.
    pub(crate) pie: bool,
    /// With cgo, so linked by gcc.
    pub(crate) cgo: bool,
    /// `-gcflags="all=-N -l"`: neither optimised nor inlined.
    pub(crate) unoptimized: bool,
    /// `-gcflags=all=-l`: not inlined.
    pub(crate) not_inlined: bool,
    /// `-race`; takes cgo.
    pub(crate) race: bool,
    /// More `-ldflags`, as `-linkmode=external`; empty for none.
    pub(crate) ldflags: &'static str,
    /// Whether it is inside a program in C: for the fixture only.
    pub(crate) embedded: Embedded,
    /// `-pgo`.
    pub(crate) pgo: Pgo,
    /// `GOEXPERIMENT`; empty for none.
    pub(crate) experiment: &'static str,
    /// `-tags`; empty for none.
    pub(crate) tags: &'static str,
    /// `GOARCH`; empty for this machine's.
    pub(crate) arch: &'static str,
    /// `-gcflags=all=…`, as `-l`; empty for none.
    pub(crate) gcflags: &'static str,
    /// What the program says of its version (`-X runtime.buildVersion=…`); empty for the truth.
    pub(crate) version: &'static str,
    /// What a vendor has added to the runtime: a name of [`super::vendor`]; empty for nothing.
    pub(crate) vendor: &'static str,
}

impl Build {
    /// As `go build` does without cgo: a symbol table and DWARF.
    pub(crate) const DEFAULT: Self = Self {
        strip: false,
        pie: false,
        cgo: false,
        unoptimized: false,
        not_inlined: false,
        race: false,
        ldflags: "",
        embedded: Embedded::No,
        pgo: Pgo::None,
        experiment: "",
        tags: "",
        arch: "",
        gcflags: "",
        version: "",
        vendor: "",
    };
    /// As most programs are shipped.
    pub(crate) const STRIPPED: Self = Self {
        strip: true,
        ..Self::DEFAULT
    };
    /// Position-independent.
    pub(crate) const PIE: Self = Self {
        pie: true,
        ..Self::DEFAULT
    };
    /// With C code, linked by gcc.
    pub(crate) const CGO: Self = Self {
        cgo: true,
        ..Self::DEFAULT
    };
    /// As Debian ships Go programs.
    pub(crate) const STRIPPED_PIE: Self = Self {
        strip: true,
        pie: true,
        ..Self::DEFAULT
    };
    /// With much of the runtime inlined into its callers, as in a program built with a profile of its own.
    pub(crate) const STRIPPED_PGO: Self = Self {
        pgo: Pgo::Busy,
        ..Self::STRIPPED
    };
    /// With a profile as people have one.
    pub(crate) const STRIPPED_LOAD: Self = Self {
        pgo: Pgo::Load,
        ..Self::STRIPPED
    };
    /// With all of the runtime inlined that can be.
    pub(crate) const STRIPPED_PGO_EVERYTHING: Self = Self {
        pgo: Pgo::Everything,
        ..Self::STRIPPED
    };
    /// Everything at once.
    pub(crate) const STRIPPED_PIE_CGO: Self = Self {
        cgo: true,
        ..Self::STRIPPED_PIE
    };
    /// For ARM, which this machine need not be.
    pub(crate) const ARM64: Self = Self {
        arch: "arm64",
        ..Self::DEFAULT
    };
    /// For ARM, as Debian ships Go programs.
    pub(crate) const ARM64_STRIPPED_PIE: Self = Self {
        arch: "arm64",
        ..Self::STRIPPED_PIE
    };
    /// For ARM and position-independent.
    pub(crate) const ARM64_PIE: Self = Self {
        arch: "arm64",
        ..Self::PIE
    };
    /// The builds of the full matrix.
    pub(crate) const ALL: [Self; 8] = [
        Self::DEFAULT,
        Self::STRIPPED,
        Self::PIE,
        Self::CGO,
        Self::STRIPPED_PIE,
        Self::STRIPPED_PIE_CGO,
        Self::STRIPPED_LOAD,
        Self::STRIPPED_PGO,
    ];

    /// Builds that few make, each with a test of its own; for `GRTMON_TEST_BUILD`.
    pub(crate) const ODD: [Self; 8] = [
        Self::RACE,
        Self {
            ldflags: "-linkmode=external",
            ..Self::CGO
        },
        Self::STATIC_PIE,
        Self::ARCHIVE,
        Self {
            strip: true,
            ..Self::ARCHIVE
        },
        Self {
            gcflags: "-N -l",
            ..Self::STRIPPED
        },
        Self {
            gcflags: "-l",
            ..Self::STRIPPED
        },
        Self {
            gcflags: "-l=4",
            ..Self::STRIPPED
        },
    ];
    /// With the race detector.
    pub(crate) const RACE: Self = Self {
        race: true,
        ..Self::DEFAULT
    };
    /// Position-independent, without a dynamic loader; linked by gcc.
    pub(crate) const STATIC_PIE: Self = Self {
        ldflags: "-linkmode=external -extldflags=-static-pie",
        ..Self::STRIPPED_PIE_CGO
    };
    /// Within a program in C.
    pub(crate) const ARCHIVE: Self = Self {
        embedded: Embedded::Archive,
        ..Self::DEFAULT
    };

    /// This one, unless the programs of this run are built already.
    pub(crate) fn or_prebuilt(self) -> Self {
        let Some(prebuilt) = prebuilt() else {
            return self;
        };
        let named = |build: &Self| build.name() == prebuilt.build;
        Self::ALL.into_iter().find(named).expect("no such build")
    }

    /// A word for directories and messages: `stripped+pie`.
    pub(crate) fn name(self) -> String {
        let mut words = Vec::new();
        for (set, word) in [
            (self.strip, "stripped"),
            (self.pie, "pie"),
            (self.cgo, "cgo"),
            (self.unoptimized, "unoptimized"),
            (self.not_inlined, "not-inlined"),
            (self.race, "race"),
            (self.embedded == Embedded::Archive, "c-archive"),
            (self.embedded == Embedded::Shared, "c-shared"),
            (!self.ldflags.is_empty(), self.ldflags),
            (self.pgo == Pgo::Load, "pgo-load"),
            (self.pgo == Pgo::Busy, "pgo"),
            (self.pgo == Pgo::Everything, "pgo-everything"),
            (!self.experiment.is_empty(), self.experiment),
            (!self.tags.is_empty(), self.tags),
            (!self.arch.is_empty(), self.arch),
            (!self.gcflags.is_empty(), self.gcflags),
            (!self.version.is_empty(), self.version),
            (!self.vendor.is_empty(), self.vendor),
        ] {
            if set {
                words.push(word);
            }
        }
        if words.is_empty() {
            "default".to_owned()
        } else {
            words.join("+")
        }
    }
}

/// The builds of this run with a toolchain: all of them, or those that differ most.
pub(crate) fn builds(toolchain: &Toolchain) -> Vec<Build> {
    if prebuilt().is_some() {
        return vec![Build::DEFAULT.or_prebuilt()];
    }
    if let Ok(names) = env::var("GRTMON_TEST_BUILD") {
        let named = |name| {
            let all = Build::ALL.into_iter().chain(Build::ODD);
            let build = all.into_iter().find(|it| it.name() == name);
            build.unwrap_or_else(|| panic!("no build is called {name}"))
        };
        return names.split(',').map(named).collect();
    }
    // Before Go 1.21 there are no profiles.
    let can = |build: &Build| build.pgo == Pgo::None || toolchain.minor() >= 21;
    if full_matrix() {
        return Build::ALL.into_iter().filter(can).collect();
    }
    let mut builds = vec![Build::DEFAULT, Build::STRIPPED_PIE];
    if wide_matrix() {
        builds.push(Build::STRIPPED_PIE_CGO);
        // One version each has to do.
        match toolchain.minor() {
            24 => builds.push(Build::STRIPPED_PGO),
            27 => builds.push(Build::STRIPPED_LOAD),
            _ => {}
        }
    }
    builds
}

/// The builds of this run, and those for the other machine that take no C compiler: to be read, not to be run.
pub(crate) fn builds_of_all_machines(toolchain: &Toolchain) -> Vec<Build> {
    let mut builds = builds(toolchain);
    builds.push(Build::ARM64);
    if full_matrix() {
        builds.push(Build::ARM64_PIE);
    }
    builds.push(Build::ARM64_STRIPPED_PIE);
    builds
}
