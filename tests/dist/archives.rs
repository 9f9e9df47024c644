//! What packaging/pack.sh makes of an executable. That of this build would take a minute to compress: a small one stands in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    completions, man, notices,
    run::{Scratch, checkout, have, output},
};

/// 2026-11-25 00:00:00 UTC.
const WHEN: &str = "1795564800";

/// The two archives, in a directory of their own.
fn packed(scratch: &Scratch, name: &str) -> (PathBuf, PathBuf) {
    let pages = scratch.0.join("pages");
    fs::create_dir_all(&pages).unwrap();
    fs::write(pages.join("grtmon.8"), man::page("2026-11-25").unwrap()).unwrap();
    let target = "x86_64-unknown-linux-gnu";
    fs::write(
        pages.join("THIRD-PARTY"),
        notices::notices(&[target]).unwrap(),
    )
    .unwrap();
    for (name, text) in completions::scripts() {
        fs::write(pages.join(name), text).unwrap();
    }
    let out = scratch.0.join(name);
    let mut pack = Command::new(checkout("packaging/pack.sh"));
    let executable = scratch.file("grtmon", "#!/bin/sh\n");
    pack.arg("x86_64")
        .args([&executable, &pages, &out])
        .env("SOURCE_DATE_EPOCH", WHEN);
    output(&mut pack);
    let version = env!("CARGO_PKG_VERSION");
    (
        out.join(format!("grtmon-{version}-linux-x86_64.tar.gz")),
        out.join(format!("grtmon_{version}_amd64.deb")),
    )
}

/// Mode, owner and time of each file, from a listing of tar. Owner and time have to be the same for all.
fn modes(listing: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for line in listing.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [mode, owner, _, date, time, name] = fields[..] else {
            panic!("{line}");
        };
        assert!(matches!(owner, "0/0" | "root/root"), "{line}");
        assert_eq!((date, time), ("2026-11-25", "00:00"), "{line}");
        let expected = if mode.starts_with('d') || name.ends_with("/grtmon") && mode.contains('x') {
            "rwxr-xr-x"
        } else {
            "rw-r--r--"
        };
        assert_eq!(&mode[1..], expected, "{line}");
        found.insert(name.to_owned(), mode.to_owned());
    }
    found
}

fn same(one: &Path, other: &Path) {
    let equal = fs::read(one).unwrap() == fs::read(other).unwrap();
    assert!(equal, "{} and {} differ", one.display(), other.display());
}

#[test]
fn they_hold_what_they_should() {
    if !cfg!(target_arch = "x86_64") || !have("dpkg-deb") {
        return;
    }
    let scratch = Scratch::new();
    let (tar, deb) = packed(&scratch, "one");

    let mut list = Command::new("tar");
    list.env("TZ", "UTC")
        .env("LC_ALL", "C")
        .arg("tvzf")
        .arg(&tar);
    let listing = output(&mut list);
    let files = modes(&listing);
    let top = format!("grtmon-{}-linux-x86_64", env!("CARGO_PKG_VERSION"));
    for name in [
        "LICENSE",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "THIRD-PARTY",
        "completions/_grtmon",
        "completions/grtmon.bash",
        "completions/grtmon.fish",
        "docs/commands.md",
        "licences/GPL-2",
        "licences/GPL-3",
        "licences/LGPL-2.1",
        "licences/LGPL-3",
        "licences/elfutils",
        "licences/glibc",
        "licences/libgcc",
        "licences/zlib",
        "man/grtmon.8",
        "static-linking",
    ] {
        assert!(
            files.contains_key(&format!("{top}/{name}")),
            "{name}\n{listing}"
        );
    }
    assert_eq!(files[&format!("{top}/grtmon")], "-rwxr-xr-x");
    let names: Vec<&str> = listing
        .lines()
        .filter_map(|it| it.split(' ').next_back())
        .collect();
    assert!(names.is_sorted(), "{listing}");

    let mut list = Command::new("dpkg-deb");
    list.env("TZ", "UTC").env("LC_ALL", "C").arg("-c").arg(&deb);
    let listing = output(&mut list);
    let files = modes(&listing);
    assert_eq!(files["./usr/bin/grtmon"], "-rwxr-xr-x");
    for name in [
        "bash-completion/completions/grtmon",
        "doc/grtmon/README.md",
        "doc/grtmon/THIRD-PARTY.gz",
        "doc/grtmon/changelog.gz",
        "doc/grtmon/copyright",
        "doc/grtmon/docs/limits.md",
        "doc/grtmon/licences/glibc",
        "doc/grtmon/static-linking",
        "fish/vendor_completions.d/grtmon.fish",
        "man/man8/grtmon.8.gz",
        "zsh/vendor-completions/_grtmon",
    ] {
        assert!(
            files.contains_key(&format!("./usr/share/{name}")),
            "{name}\n{listing}"
        );
    }
    let control = output(Command::new("dpkg-deb").arg("-f").arg(&deb));
    assert!(control.contains("\nArchitecture: amd64\n"), "{control}");
    assert!(
        control.contains("\nMaintainer: the grtmon authors\n"),
        "{control}"
    );
    // The executable that is released needs nothing.
    assert!(!control.contains("\nDepends:"), "{control}");
    assert!(control.contains("glibc (= "), "{control}");
}

#[test]
fn the_same_input_makes_the_same_bytes() {
    if !cfg!(target_arch = "x86_64") || !have("dpkg-deb") {
        return;
    }
    let scratch = Scratch::new();
    let (tar, deb) = packed(&scratch, "one");
    let (other_tar, other_deb) = packed(&scratch, "other");
    same(&tar, &other_tar);
    same(&deb, &other_deb);
}

#[test]
fn every_crate_has_its_licence() {
    let text = notices::notices(&["x86_64-unknown-linux-gnu"]).unwrap();
    let mut linked = 0;
    for line in text.lines().skip(2).take_while(|it| !it.is_empty()) {
        linked += 1;
        assert!(line.ends_with(']') && !line.contains(", :"), "{line}");
    }
    assert!(linked > 20, "{linked}");
    for name in ["clap ", "libbpf-sys ", "zlib-rs "] {
        assert!(text.contains(&format!("\n{name}")), "{name}");
    }
    // Neither what builds it nor what tests it.
    for name in [
        "libbpf-cargo ",
        "serde_json ",
        "clap_mangen ",
        "clap_derive ",
    ] {
        assert!(!text.contains(&format!("\n{name}")), "{name}");
    }
}
