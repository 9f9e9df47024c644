//! Compiles each `src/bpf/NAME.bpf.c` into the skeleton `OUT_DIR/NAME.skel.rs`, writes the lists of shapes as they are carried,
//! and tells the crate what it is built from.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use libbpf_cargo::SkeletonBuilder;

#[path = "src/go/layout/evidence/compact.rs"]
mod compact;

/// Where the lists of shapes lie.
const SHAPES: &str = "src/go/layout/evidence";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed=src/bpf");
    println!("cargo:rerun-if-changed=vmlinux");
    let mut sources: Vec<PathBuf> = fs::read_dir("src/bpf")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    sources.sort();
    let mut programs = Vec::new();
    for source in sources {
        let name = source
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".bpf.c"));
        if let Some(name) = name {
            build_skeleton(&source, &out.join(format!("{name}.skel.rs")))?;
            programs.push(name.to_owned());
        }
    }
    println!("cargo:rerun-if-changed={SHAPES}/compact.rs");
    for name in ["shapes", "shapes_arm64"] {
        let path = format!("{SHAPES}/{name}.txt");
        println!("cargo:rerun-if-changed={path}");
        let bytes = compact::compact(&fs::read_to_string(&path)?);
        let bytes = bytes.ok_or_else(|| format!("{path} is not a list of shapes"))?;
        fs::write(out.join(format!("{name}.bin")), bytes)?;
    }
    println!("cargo:rustc-env=GRTMON_BPF={}", programs.join(" "));
    println!("cargo:rustc-env=GRTMON_TARGET={}", env::var("TARGET")?);
    println!("cargo:rustc-env=GRTMON_REVISION={}", revision());
    Ok(())
}

/// `-mcpu=v3` works on every kernel from 5.1 on; clang's own default changes with its version. Names of source files, which
/// the kernel shows beside instructions, are relative: the object does not depend on where the checkout lies.
fn build_skeleton(source: &Path, skeleton: &Path) -> Result<(), Box<dyn Error>> {
    let arguments = [
        "-Ivmlinux",
        "-Isrc/bpf",
        "-mcpu=v3",
        "-fdebug-compilation-dir=.",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unused-parameter",
    ];
    SkeletonBuilder::new()
        .source(source)
        .clang_args(arguments)
        .build_and_generate(skeleton)
        .map_err(|error| format!("failed to compile {}: {error:#}", source.display()))?;
    Ok(())
}

/// The git revision, or `unknown` when this is not a git checkout.
fn revision() -> String {
    // HEAD changes with the branch, its log with every commit. What is not there would be looked for at every build.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned())
}

/// What git says.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
