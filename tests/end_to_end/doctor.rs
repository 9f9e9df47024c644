//! `doctor`: what it says of a program is so, and nothing it needs is missing on the versions and builds supported.

use std::{os::unix::process::CommandExt, process::Command};

use serde_json::Value;

use crate::{
    common::{Build, Fixture, grtmon, require_root_or_skip},
    subject::each,
};

fn found<'a>(report: &'a Value, section: &str, fact: &str) -> &'a str {
    report[section][fact]["found"]
        .as_str()
        .unwrap_or_else(|| panic!("no {section}.{fact} in {report}"))
}

#[test]
fn it_tells_how_a_program_was_built_and_finds_every_event() {
    each(|subject| {
        let mut target = Fixture::start(&subject.program, &["churn"]);
        let output = grtmon(&["doctor", "--output", "json", "--pid", &target.pid_arg()]).success();
        let report = output.json().pop().unwrap();

        let version = found(&report, "binary", "go_version");
        let expected = format!("go{}", subject.toolchain.version);
        assert!(version.starts_with(&expected), "{version}");
        let Build {
            strip, pie, cgo, ..
        } = subject.build;
        let build = found(&report, "binary", "build");
        assert_eq!(
            build.contains("no symbol table, no DWARF"),
            strip,
            "{build}"
        );
        assert_eq!(build.contains("position-independent"), pie, "{build}");
        assert_eq!(build.contains("no cgo"), !cgo, "{build}");
        let layouts = found(&report, "binary", "struct_layouts");
        assert_eq!(layouts.contains("DWARF"), !strip, "{layouts}");
        assert!(found(&report, "binary", "processes").contains(&target.pid_arg()));

        // Every event can be seen, the layout holds in the process, and the kernel has what it takes.
        for (section, facts) in report.as_object().unwrap() {
            for (fact, what) in facts.as_object().unwrap() {
                let optional = ["btf", "cap_sys_ptrace", "uprobe_cookies", "uprobe_multi"];
                let optional = optional.contains(&fact.as_str());
                assert!(what["fine"] == true || optional, "{section}.{fact}: {what}");
            }
        }
        target.work();
        target.finish();
    });
}

#[test]
fn it_says_which_privilege_is_missing() {
    if !require_root_or_skip() {
        return;
    }
    let program = std::env::temp_dir().join(format!("grtmon-doctor.{}", std::process::id()));
    crate::common::copy_program(env!("CARGO_BIN_EXE_grtmon").as_ref(), &program);
    let output = Command::new(&program)
        .args(["doctor", "--output", "json"])
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    std::fs::remove_file(&program).unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["kernel"]["probes"]["fine"], false);
    let said = found(&report, "kernel", "probes");
    assert!(
        said.contains("CAP_BPF") && said.contains("setcap"),
        "{said}"
    );
}

#[test]
fn every_field_that_commands_need_says_where_it_comes_from() {
    each(|subject| {
        let target = Fixture::start(&subject.program, &["churn"]);
        let pid = target.pid_arg();
        let arguments = ["doctor", "--fields", "--output", "json", "--pid", &pid];
        let report = grtmon(&arguments).success().json().pop().unwrap();
        let fields = report["fields"].as_object().unwrap();
        assert!(fields.len() > 60, "{}", fields.len());
        for (name, field) in fields {
            let from = field["from"]
                .as_str()
                .unwrap_or_else(|| panic!("{name}: {field}"));
            assert_eq!(from == "DWARF", !subject.build.strip, "{name}: {field}");
            assert!(field["value"].is_u64(), "{name}: {field}");
            assert_eq!(field["contradicted_by"], "", "{name}");
        }
        // Whoever says it, code agrees.
        let goid = &fields["g_goid"];
        let code = |text: &Value| {
            text.as_str()
                .is_some_and(|it| it.contains("code of runtime."))
        };
        assert!(code(&goid["from"]) || code(&goid["confirmed_by"]), "{goid}");
        let stat = &report["commands"]["stat"];
        assert!(stat["confirmed"].as_u64() > Some(30), "{stat}");
    });
}
