//! Files that are no Go program: refused in words. (For damaged ones see tests/fuzz.)

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;
#[path = "go_binary/edit.rs"]
mod edit;

use std::fs;

use common::{Build, newest, program};
use edit::{replaced, without_sections};
use grtmon::go::{Binary, GoError};

/// What is not a Go program, or one from before Go 1.18, is refused in one line each.
#[test]
fn other_files_are_refused() {
    let text = "package main\n\nfunc main() {}\n";
    let file = fs::read(program(newest(), Build::STRIPPED, "empty", text)).unwrap();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = without_sections(file.clone());
        change(&mut changed);
        Binary::parse(changed).unwrap_err()
    };
    assert_eq!(
        refused(&|f| f.clear()),
        GoError::NotElf(Some("it is empty"))
    );
    assert_eq!(refused(&|f| f[1] = b'X'), GoError::NotElf(None));
    assert_eq!(refused(&|f| f[4] = 1), GoError::Not64Bit("x32"));
    assert_eq!(
        refused(&|f| f[18] = 0xf3),
        GoError::ForeignArchitecture("riscv".to_owned())
    );
    assert_eq!(
        refused(&|f| f[16] = 4),
        GoError::NotExecutable("a core dump")
    );
    assert!(matches!(
        refused(&|f| f.truncate(20)),
        GoError::Truncated { .. }
    ));
    assert!(matches!(
        refused(&|f| f.truncate(f.len() / 2)),
        GoError::Truncated { .. }
    ));
    let magic = |byte: u8| {
        refused(&|f| {
            *f = replaced(
                f.clone(),
                b"\xf1\xff\xff\xff\0\0\x01\x08",
                &[byte, 0xff, 0xff, 0xff, 0, 0, 1, 8],
            )
        })
    };
    assert!(matches!(magic(0xfb), GoError::TooOld(_)));
    assert!(matches!(magic(0xfa), GoError::TooOld(_)));
    assert_eq!(magic(0x12), GoError::NotGo(None));
    let obfuscated = replaced(
        file.clone(),
        b"\xf1\xff\xff\xff\0\0\x01\x08",
        b"\x12\x34\x56\x78\0\0\x01\x08",
    );
    let error = Binary::parse(obfuscated).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("unknown magic 0x78563412 (obfuscated"),
        "{error}"
    );
    let this_test = std::env::current_exe().unwrap();
    assert_eq!(
        Binary::parse(fs::read(this_test).unwrap()).unwrap_err(),
        GoError::NotGo(None)
    );
}
