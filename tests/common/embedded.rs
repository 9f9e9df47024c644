//! Programs in C that have Go inside: an archive that is linked in, or a library that is loaded.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// How Go is inside.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) enum Embedded {
    /// The program is one of Go.
    #[default]
    No,
    /// `-buildmode=c-archive`.
    Archive,
    /// `-buildmode=c-shared`, loaded when the program runs.
    Shared,
}

const LINKED: &str = "void Begin(void);\nint main(void) { Begin(); return 0; }\n";

const LOADED: &str = r#"#include <dlfcn.h>
#include <stdio.h>
int main(void) {
	void *library = dlopen(LIBRARY, RTLD_NOW);
	void (*begin)(void);
	if (!library || !(*(void **)&begin = dlsym(library, "Begin"))) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	begin();
	return 0;
}
"#;

impl Embedded {
    /// What `go build` is told besides.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::No => &[],
            Self::Archive => &["-tags=archive", "-buildmode=c-archive"],
            Self::Shared => &["-tags=archive", "-buildmode=c-shared"],
        }
    }

    /// Makes the program of what `go build` has made.
    pub(super) fn link(self, built: &Path, strip: bool) {
        if self == Self::No {
            return;
        }
        let beside = |extension: &str| -> PathBuf {
            let mut name = built.file_name().unwrap().to_os_string();
            name.push(extension);
            built.with_file_name(name)
        };
        let (source, library) = (beside(".c"), beside(".lib"));
        fs::rename(built, &library).unwrap();
        let text = if self == Self::Archive {
            LINKED
        } else {
            LOADED
        };
        fs::write(&source, text).unwrap();
        let mut gcc = Command::new("gcc");
        gcc.arg("-o").arg(built).arg(&source);
        if strip {
            gcc.arg("-s");
        }
        if self == Self::Archive {
            // Whatever its name, it is an archive.
            gcc.arg(&library).arg("-lpthread");
        } else {
            gcc.arg(format!("-DLIBRARY=\"{}\"", library.display()))
                .arg("-ldl");
        }
        let output = gcc.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
