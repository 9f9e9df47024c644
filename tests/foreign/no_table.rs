//! The first day of a version that nobody has measured: what works without the table, command by command. Shown with
//! `--nocapture`; whatever is shown of the program is so.

use std::process::Command;

use serde_json::Value;

use crate::{STRIPPED, Still, common::toolchains};

/// The last line of a command that knows no table.
fn line(still: &Still, command: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_grtmon"))
        .args(command)
        .args(["--output", "json", "--pid", &still.process.pid_arg()])
        .env("GRTMON_NO_LAYOUT_TABLE", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", still.name);
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn without_the_table() {
    for toolchain in toolchains() {
        let still = Still::start(toolchain, STRIPPED, "rest");
        let doctor = line(&still, &["doctor"]);
        println!("Go {}", toolchain.version);
        for (command, what) in doctor["commands"].as_object().unwrap() {
            let found = what["found"].as_str().unwrap();
            let lacks: Vec<&str> = found
                .lines()
                .filter(|line| line.starts_with('?') || line.starts_with("refused"))
                .map(|line| line.split(" (").next().unwrap())
                .collect();
            let lacks = match lacks.as_slice() {
                [] => "everything".to_owned(),
                some => some.join("; "),
            };
            let (fields, confirmed) = (&what["fields"], &what["confirmed"]);
            println!("    {command}: {lacks} ({confirmed} of {fields} fields)");
        }
        let stat = line(&still, &["stat", "--count", "1"]);
        for (key, value) in still.truth.as_object().unwrap() {
            assert!(
                stat[key].is_null() || stat[key] == *value,
                "{}: {key} {}, not {value}",
                still.name,
                stat[key]
            );
        }
        // What probes and dumps cannot do without is in the code of every version.
        for command in ["gr", "gr_seq", "sched", "dump"] {
            let found = doctor["commands"][command]["found"].as_str().unwrap();
            assert!(
                !found.starts_with("refused"),
                "{}: {command}: {found}",
                still.name
            );
        }
    }
}
