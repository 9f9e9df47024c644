//! The flame graph: what the page says is what the profile says, and the page has nothing else in it.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::{
    common::{Build, Fixture, fixture, grtmon, newest},
    scratch::Scratch,
};

/// What counts how much: function, file and line of all of a stack, innermost first; labels; values.
type Samples = BTreeMap<(Vec<(String, String, u64)>, Vec<(String, String)>), Vec<u64>>;

/// The data of a page.
fn data(page: &str) -> Value {
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (data, rest) = rest.split_once("</script>").unwrap();
    assert!(!data.contains('<'), "nothing in it can begin an element");
    assert_eq!(rest.matches("<script>").count(), 2, "the page's own");
    serde_json::from_str(data).unwrap()
}

fn numbers(value: &Value) -> Vec<u64> {
    let all = value.as_array().unwrap().iter();
    all.map(|it| it.as_u64().unwrap()).collect()
}

fn of_page(data: &Value) -> Samples {
    let [functions, nodes, now] = ["functions", "nodes", "now"].map(|it| numbers(&data[it]));
    let at = |index: u64| usize::try_from(index).unwrap();
    let text = |index: u64| data["strings"][at(index)].as_str().unwrap().to_owned();
    let types = data["types"].as_array().unwrap().len();
    let mut samples = Samples::new();
    for sample in now.chunks(2 + types) {
        let (mut stack, mut next) = (Vec::new(), sample[0] + 1);
        while next > 0 {
            let node = &nodes[3 * at(next - 1)..][..3];
            let function = &functions[2 * at(node[1])..][..2];
            stack.push((text(function[0]), text(function[1]), node[2]));
            next = node[0];
        }
        let labels = numbers(&data["labels"][at(sample[1])]["set"]);
        let labels = labels.chunks(2).map(|it| (text(it[0]), text(it[1])));
        add(&mut samples, stack, labels.collect(), &sample[2..]);
    }
    samples
}

/// Samples whose stacks differ in addresses only are the same here.
fn add(
    samples: &mut Samples,
    stack: Vec<(String, String, u64)>,
    mut labels: Vec<(String, String)>,
    values: &[u64],
) {
    labels.sort();
    let sums = samples
        .entry((stack, labels))
        .or_insert(vec![0; values.len()]);
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
}

fn of_json(lines: &[Value]) -> Samples {
    let mut samples = Samples::new();
    let types = lines[0]["types"].as_array().unwrap();
    for sample in lines.iter().filter(|it| it["event"] == "sample") {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let stack = sample["stack"].as_array().unwrap().iter();
        let stack = stack.map(|it| {
            (
                text(&it["function"]),
                text(&it["file"]),
                it["line"].as_u64().unwrap(),
            )
        });
        let labels = sample["labels"].as_object().unwrap().iter();
        let labels = labels.map(|(key, value)| match value.as_str() {
            Some(text) => (key.clone(), text.to_owned()),
            None => (key.clone(), value.to_string()),
        });
        let values = types.iter().map(|it| {
            let name = it["name"].as_str().unwrap();
            sample["values"][name].as_u64().unwrap()
        });
        let values: Vec<u64> = values.collect();
        add(&mut samples, stack.collect(), labels.collect(), &values);
    }
    samples
}

#[test]
fn the_page_has_what_the_profile_has() {
    let program = fixture(newest(), Build::STRIPPED_PIE);
    let mut target = Fixture::start(&program, &["profiles", "-n", "1009", "-rate", "1"]);
    let pid = target.pid_arg();
    let scratch = Scratch::new();
    for (kind, least) in [("heap", 100), ("goroutine", 2)] {
        let file = scratch.file(&format!("{kind}.html"));
        let output = grtmon(&["profile", kind, "--pid", &pid, "-w", &file]).success();
        let page = fs::read_to_string(file).unwrap();
        let data = data(&page);
        let lines = grtmon(&["profile", kind, "--pid", &pid, "--output", "json"]).success();
        let lines = lines.json();
        let (ours, theirs) = (of_page(&data), of_json(&lines));
        assert!(ours.len() >= least, "{kind}: {ours:?}");
        assert_eq!(ours, theirs, "{kind}");
        assert_eq!(data["kind"], kind);
        assert_eq!(data["pid"].to_string(), pid);
        assert_eq!(data["build_id"], lines[0]["build_id"]);
        assert!(data["unix_ns"].as_u64() > Some(1_000_000_000_000_000_000));
        // What people are told.
        let note = data["notes"][0].as_str().unwrap();
        assert!(output.stderr.contains(note), "{note}: {}", output.stderr);
        assert!(page.len() < 300_000, "{kind}: {} bytes", page.len());
    }
    target.work();
    target.finish();
}
