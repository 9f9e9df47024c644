//! What Debian's own checker says of the packages: no error and no warning that packaging/lintian-overrides does not explain.

use std::process::Command;

use super::{released::packages, run::have};

#[test]
#[ignore = "after make dist: make test-dist"]
fn lintian_finds_nothing_wrong() {
    if !have("lintian") {
        return;
    }
    for deb in packages() {
        let mut lintian = Command::new("lintian");
        // Its status is 2 where something is overridden, too.
        let ended = lintian.arg("--show-overrides").arg(&deb).output().unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        let wrong = |line: &&str| line.starts_with("E: ") || line.starts_with("W: ");
        let wrong: Vec<&str> = said.lines().filter(wrong).collect();
        assert!(wrong.is_empty(), "{}\n{wrong:#?}", deb.display());
        // It has looked into the package, and understood the overrides.
        assert!(said.contains("O: grtmon: embedded-library zlib"), "{said}");
    }
}
