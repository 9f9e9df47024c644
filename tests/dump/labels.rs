//! Labels of goroutines (`pprof.Do`) in dumps and in what is made of them, against those that the program has given.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::common::{
    Build, Fixture, Output, fixture, grtmon, newest, require_root_or_skip, toolchains,
};

type Set = BTreeMap<String, String>;

fn set(value: &Value) -> Set {
    serde_json::from_value(value.clone()).unwrap()
}

/// How many goroutines wait under which labels.
fn truth(truth: &Value) -> BTreeMap<Set, u64> {
    let all = truth["waiting"].as_array().unwrap().iter();
    all.map(|one| (set(&one["labels"]), one["count"].as_u64().unwrap()))
        .collect()
}

fn waits(line: &Value) -> bool {
    line["start"] == "main.waitLabelled"
}

fn counted(lines: &[Value]) -> BTreeMap<Set, u64> {
    let mut found = BTreeMap::new();
    for line in lines.iter().filter(|line| waits(line)) {
        *found.entry(set(&line["labels"])).or_default() += 1;
    }
    found
}

#[test]
fn goroutines_have_the_labels_that_they_were_given() {
    if !require_root_or_skip() {
        return;
    }
    for toolchain in toolchains() {
        let what = format!("Go {}", toolchain.version);
        let program = fixture(toolchain, Build::STRIPPED_PIE);
        let mut target = Fixture::start(&program, &["labels-waiting"]);
        let pid = target.pid_arg();
        let dump = |arguments: &[&str]| -> Output {
            grtmon(&[&["dump", "--pid", &pid], arguments].concat()).success()
        };
        let one_by_one = dump(&["--all", "-o", "json"]).json();
        let groups = dump(&["-o", "json"]).json();
        let text = dump(&["--all"]).stdout;
        let profile = grtmon(&["profile", "goroutine", "--pid", &pid, "-o", "json"]);
        let wall = [
            "profile",
            "wall",
            "--pid",
            &pid,
            "-d",
            "1s",
            "--by",
            "label:route",
        ];
        let wall = grtmon(&wall).success();
        target.work();
        let told = target.finish();
        let expected = truth(&told);
        assert_eq!(counted(&one_by_one), expected, "{what}");

        let group = groups.iter().find(|it| it["event"] == "group" && waits(it));
        let sets = group.unwrap()["labels"].as_array().unwrap();
        let sets = sets
            .iter()
            .map(|it| (set(&it["labels"]), it["count"].as_u64().unwrap()));
        assert_eq!(sets.collect::<BTreeMap<_, _>>(), expected, "{what}");

        let mut samples: BTreeMap<Set, u64> = BTreeMap::new();
        for line in profile.success().json() {
            let stack = line["stack"].as_array();
            let is_one = |it: &Value| it["function"] == "main.waitLabelled";
            if stack.is_some_and(|stack| stack.iter().any(is_one)) {
                let mut labels = set(&line["labels"]);
                labels.retain(|key, _| key != "state" && key != "created_by");
                *samples.entry(labels).or_default() +=
                    line["values"]["goroutine"].as_u64().unwrap();
            }
        }
        assert_eq!(samples, expected, "{what}");

        assert!(wall.stdout.contains("/b c"), "{what}: {}", wall.stdout);
        // Whatever a program writes there, it stays text.
        assert!(!text.contains('\x1b'), "{what}");
        if toolchain.minor() >= 27 {
            // Since then the runtime itself shows them.
            let heads = |text: &str| -> Vec<String> {
                let heads = text.lines().filter(|line| line.starts_with("goroutine "));
                let heads = heads.filter(|line| line.contains("[chan receive]"));
                let mut heads: Vec<String> = heads.map(str::to_owned).collect();
                heads.sort();
                heads
            };
            let plain = |heads: Vec<String>| -> Vec<String> {
                heads.into_iter().filter(|it| !it.contains('\\')).collect()
            };
            let own = plain(heads(told["text"].as_str().unwrap()));
            assert_eq!(plain(heads(&text)), own, "{what}");
            assert!(
                own.iter().any(|it| it.contains("] {route: /a, user: 1}:")),
                "{own:?}"
            );
        }
    }
}

/// Sets that are freed while they are read are never taken for others.
#[test]
fn labels_are_right_or_not_known_while_the_collector_runs() {
    if !require_root_or_skip() {
        return;
    }
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["labels-waiting", "-collect"]);
    let pid = target.pid_arg();
    let dumps: Vec<Vec<Value>> = (0..10)
        .map(|_| {
            grtmon(&["dump", "--all", "--pid", &pid, "-o", "json"])
                .success()
                .json()
        })
        .collect();
    target.work();
    let expected = truth(&target.finish());
    let mut known = 0;
    let without = expected[&Set::new()];
    for dump in dumps {
        // Labels that are not known are not none.
        let none =
            |line: &&Value| waits(line) && line["labels"] == Value::Object(Default::default());
        assert_eq!(dump.iter().filter(none).count() as u64, without);
        for line in dump.iter().filter(|line| waits(line)) {
            if !line["labels"].is_null() {
                known += 1;
                assert!(expected.contains_key(&set(&line["labels"])), "{line}");
            }
        }
    }
    assert!(known > 0);
}
