//! `gm`: each allocation counted once, in the class that the runtime really used.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::subject::{Observed, each, each_toolchain, list, nothing_lost, number, observe, once};

/// Objects per class, by the runtime's own account. It counts a tiny object that begins a block in the
/// class of 16 B and any further one as tiny; grtmon tells tiny objects from real ones of 16 B, so only
/// the sum of both can be compared, here under 16.
fn classes(allocated: &Value) -> BTreeMap<u64, u64> {
    let mut classes: BTreeMap<u64, u64> = list(allocated, "classes")
        .iter()
        .map(|it| (number(it, "size"), number(it, "count")))
        .collect();
    *classes.get_mut(&16).unwrap() += number(allocated, "tiny");
    classes
}

/// The same of grtmon's report; 0 stands for large objects.
pub(crate) fn counted(report: &Value) -> BTreeMap<u64, u64> {
    let mut classes: BTreeMap<u64, u64> = list(report, "classes")
        .iter()
        .map(|it| (number(it, "size_bytes"), number(it, "objects")))
        .collect();
    *classes.entry(16).or_insert(0) += number(report, "tiny_objects");
    classes.insert(0, number(report, "large_objects"));
    classes
}

/// Every class as the runtime counts it. The runtime's own goroutines may have allocated something after
/// the program's first reading and before grtmon was there, or after it and before the last reading:
/// what grtmon counted lies between the two accounts, which hardly ever differ.
pub(crate) fn compare(observed: &Observed) {
    let end = observed.end();
    nothing_lost(&end);
    within(&counted(&end), &observed.truth);
    let (inside, around) = (&observed.truth["inside"], &observed.truth["around"]);
    let (least, most) = (number(inside, "mallocs"), number(around, "mallocs"));
    assert!(most - least < 50, "not a sharp test: {least}..={most}");
    assert!(
        (least..=most).contains(&number(&end, "objects")),
        "{end}: not {least}..={most}"
    );
}

/// Every class lies between the two accounts.
pub(crate) fn within(counted: &BTreeMap<u64, u64>, truth: &Value) {
    let (inside, around) = (&truth["inside"], &truth["around"]);
    let most = classes(around);
    assert!(
        counted.keys().all(|size| most.contains_key(size)),
        "{counted:?}"
    );
    for (size, least) in classes(inside) {
        let seen = counted.get(&size).copied().unwrap_or(0);
        assert!(
            (least..=most[&size]).contains(&seen),
            "{size} B: {seen}, not {least}..={}",
            most[&size]
        );
    }
}

/// What the table for people shows, in the form of [`counted`]; and the number in its last line.
fn drawn(table: &str) -> (BTreeMap<u64, u64>, u64) {
    let mut counted = BTreeMap::from([(0, 0)]);
    let mut longest = (0, 0);
    for line in table.lines().filter(|line| line.contains('|')) {
        let (name, rest) = line.split_once(" : ").unwrap();
        let parts: Vec<&str> = rest.split('|').collect();
        let count: u64 = parts[0].trim().parse().unwrap();
        let stars = parts[1].trim_end().len();
        assert!(stars > 0 && parts[1].trim_end().chars().all(|it| it == '*'));
        longest = longest.max((count, stars));
        let size = match name.trim() {
            "tiny <16B" => 16,
            "> 32KB" => 0,
            name => name.strip_suffix('B').unwrap().parse().unwrap(),
        };
        *counted.entry(size).or_insert(0) += count;
    }
    assert_eq!(longest.1, 30, "the most has the longest bar:\n{table}");
    let total = table.lines().find_map(|line| {
        let total = line.trim_start().strip_prefix("total ")?;
        total.split(' ').next()?.parse().ok()
    });
    (counted, total.unwrap())
}

/// Tiny objects by the program's own intent: without pointers and below 16 bytes.
fn tiny(truth: &Value) -> u64 {
    let small = |it: &&Value| it["pointers"] == false && number(it, "size") < 16;
    list(truth, "intents")
        .iter()
        .filter(small)
        .map(|it| number(it, "count"))
        .sum()
}

#[test]
fn classes_equal_the_runtime_s_own() {
    each(|subject| {
        for method in subject.methods() {
            let command = [
                "gm", "--source", "probes", "--output", "json", "--attach", method,
            ];
            let observed = observe(&subject.program, &["alloc"], &command);
            compare(&observed);
            // Without collections the program's own allocations are the only tiny ones.
            let end = observed.end();
            let tiny = tiny(&observed.truth);
            assert_eq!(number(&end, "tiny_objects"), tiny);
            // MemStats.TotalAlloc has the blocks of tiny objects, grtmon the objects themselves.
            let bytes = |account: &Value| {
                number(account, "total_alloc") - 16 * (tiny - number(account, "tiny"))
            };
            let seen = number(&end, "bytes") - number(&end, "tiny_bytes");
            let (least, most) = (
                bytes(&observed.truth["inside"]),
                bytes(&observed.truth["around"]),
            );
            assert!(
                (least..=most).contains(&seen),
                "{seen} bytes, not {least}..={most}"
            );
        }
    });
}

#[test]
fn collections_in_between_change_nothing() {
    each_toolchain(|subject| {
        compare(&observe(
            &subject.program,
            &["alloc", "-gc"],
            &["gm", "--source", "probes", "--output", "json"],
        ));
    });
}

#[test]
fn counters_equal_the_runtime_s_own() {
    each(|subject| {
        for mode in [&["alloc"][..], &["alloc", "-gc"]] {
            let command = ["gm", "--source", "counters", "--output", "json"];
            let observed = observe(&subject.program, mode, &command);
            compare(&observed);
            let end = observed.output.json().pop().unwrap();
            for list in ["lost", "ended", "notes"] {
                assert!(end[list].is_array(), "{list}: {end}");
            }
            assert_eq!(end.get("cost"), Some(&Value::Null), "{end}");
        }
    });
}

#[test]
fn the_table_has_what_was_counted() {
    once(|subject| {
        let observed = observe(&subject.program, &["alloc"], &["gm", "--source", "probes"]);
        let text = observed.output.stdout;
        assert!(text.contains("malloc"), "{text}");
        assert!(text.contains("distribution"), "{text}");
        let (counted, total) = drawn(&text);
        within(&counted, &observed.truth);
        assert_eq!(counted.values().sum::<u64>(), total, "{text}");
        let tiny = text.lines().find(|line| line.contains("tiny <16B"));
        let tiny_seen = format!(" : {} ", self::tiny(&observed.truth));
        assert!(tiny.is_some_and(|it| it.contains(&tiny_seen)), "{text}");
        assert!(text.contains(" objects/s"), "{text}");
    });
}
