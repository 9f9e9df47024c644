//! Runtimes as vendors have them: with members added to structures, by `go build -overlay`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::toolchain::Toolchain;

/// A word before a member of a structure: file, structure, member.
type Addition = (&'static str, &'static str, &'static str);

/// What a vendor adds, by name.
fn additions(vendor: &str) -> &'static [Addition] {
    const P: Addition = ("runtime2.go", "p", "runqhead");
    match vendor {
        "wider-p" => &[P],
        "wider" => &[
            ("runtime2.go", "g", "goid"),
            ("runtime2.go", "m", "id"),
            P,
            ("runtime2.go", "schedt", "midle"),
            ("mstats.go", "mstats", "last_gc_unix"),
        ],
        "early" => &[
            ("runtime2.go", "g", "m"),
            ("runtime2.go", "m", "procid"),
            ("runtime2.go", "p", "mcache"),
            ("runtime2.go", "schedt", "lastpoll"),
            ("runtime2.go", "sudog", "next"),
            ("mheap.go", "mspan", "startAddr"),
            ("mheap.go", "mheap", "sweepgen"),
            ("mcache.go", "mcache", "tiny"),
            ("mstats.go", "mstats", "stacks_sys"),
            ("mgcpacer.go", "gcControllerState", "heapMinimum"),
            ("chan.go", "hchan", "elemsize"),
        ],
        "middle" => &[
            ("runtime2.go", "g", "goid"),
            ("runtime2.go", "m", "locks"),
            ("runtime2.go", "p", "runqhead"),
            ("runtime2.go", "schedt", "npidle"),
            ("runtime2.go", "sudog", "isSelect"),
            ("mheap.go", "mspan", "sweepgen"),
            ("mheap.go", "mheap", "central"),
            ("mcache.go", "mcache", "alloc"),
            ("mstats.go", "mstats", "last_gc_unix"),
            ("mgcpacer.go", "gcControllerState", "heapLive"),
            ("chan.go", "hchan", "recvq"),
        ],
        "late" => &[
            ("runtime2.go", "g", "gopc"),
            ("runtime2.go", "m", "alllink"),
            ("runtime2.go", "p", "gFree"),
            ("runtime2.go", "schedt", "gFree"),
            ("runtime2.go", "sudog", "c"),
            ("mheap.go", "mspan", "elemsize"),
            ("mheap.go", "mheap", "spanalloc"),
            ("mcache.go", "mcache", "flushGen"),
            ("mstats.go", "mstats", "numgc"),
            ("mgcpacer.go", "gcControllerState", "heapInUse"),
            ("chan.go", "hchan", "sendq"),
        ],
        other => panic!("no such vendor: {other}"),
    }
}

/// The file that tells `go build` which files of the runtime to replace, and by what.
pub(crate) fn overlay(toolchain: &Toolchain, vendor: &str, directory: &Path) -> PathBuf {
    let root = toolchain
        .command()
        .args(["env", "GOROOT"])
        .output()
        .unwrap();
    let root = String::from_utf8(root.stdout).unwrap();
    let source = fs::canonicalize(root.trim()).unwrap().join("src/runtime");
    let mut replaced = serde_json::Map::new();
    for (file, structure, member) in additions(vendor) {
        let original = source.join(file);
        let changed = directory.join(format!("{vendor}-{file}"));
        let key = original.to_string_lossy().into_owned();
        let before = if replaced.contains_key(&key) {
            fs::read_to_string(&changed).unwrap()
        } else {
            fs::read_to_string(&original).unwrap()
        };
        fs::write(&changed, widened(&before, structure, member)).unwrap();
        replaced.insert(key, json!(changed));
    }
    let path = directory.join(format!("{vendor}.json"));
    fs::write(&path, json!({ "Replace": replaced }).to_string()).unwrap();
    path
}

/// The source with a word before a member.
fn widened(source: &str, structure: &str, member: &str) -> String {
    let (before, rest) = source
        .split_once(&format!("\ntype {structure} struct {{"))
        .unwrap_or_else(|| panic!("no type {structure}"));
    let at = rest
        .find(&format!("\n\t{member} "))
        .unwrap_or_else(|| panic!("no {structure}.{member}"));
    let (head, tail) = rest.split_at(at);
    format!("{before}\ntype {structure} struct {{{head}\n\tvendor{member} uint64{tail}")
}
