//! Build information, and what else a binary says of its build.

use std::fmt::Write as _;

use grtmon::go::{BuildInfo, GoVersion, VersionRange, VersionSource};

use crate::{oracles_of_all_machines, parse};

/// Build information is what `go version -m` says.
#[test]
fn build_information_is_that_of_go_version() {
    for (toolchain, build, path) in oracles_of_all_machines() {
        let binary = parse(&path);
        let output = toolchain
            .command()
            .args(["version", "-m"])
            .arg(&path)
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let (first, lines) = output.split_once('\n').unwrap();

        let info = binary.build_info().unwrap();
        assert_eq!(first, format!("{}: {}", path.display(), info.go_version));
        assert_eq!(lines, version_m(info), "{}", path.display());
        let version = binary.version().unwrap();
        assert_eq!(
            version,
            &GoVersion::parse(&format!("go{}", toolchain.version)).unwrap()
        );
        assert_eq!(*binary.version_source(), VersionSource::BuildInfo);
        assert_eq!(binary.version_range(), VersionRange::only(version.minor));

        assert_eq!(binary.image().has_symbols(), !build.strip);
        assert_eq!(binary.image().has_dwarf(), !build.strip);
        assert_eq!(binary.image().is_pie(), build.pie);
        assert_eq!(binary.uses_cgo(), Some(build.cgo), "{}", path.display());
        let main = binary.functions().by_name("main.main")[0].entry;
        assert_eq!(
            binary.image().symbol("main.main"),
            (!build.strip).then_some(main)
        );
        assert_eq!(binary.image().symbol("ain.main"), None);
    }
}

/// What `go version -m` prints after the first line.
fn version_m(info: &BuildInfo) -> String {
    let mut text = format!("\tpath\t{}\n", info.path);
    writeln!(text, "\tmod\t{}\t{}\t", info.main_module, info.main_version).unwrap();
    assert!(info.dependencies.is_empty());
    for (key, value) in &info.settings {
        let quote = value.contains([' ', '"', '`', '\t', '\n']);
        let value = if quote {
            format!("\"{value}\"")
        } else {
            value.clone()
        };
        writeln!(text, "\tbuild\t{key}={value}").unwrap();
    }
    text
}
