//! `gr`: each creation and each exit, once, with the right names, numbers and times.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon},
    subject::{
        Observed, UNNAMED, each, each_toolchain, list, nothing_lost, number, observe, once, text,
    },
};

/// Rows of one event whose start function is not the runtime's own.
pub(crate) fn of_program<'a>(rows: &'a [Value], event: &str) -> Vec<&'a Value> {
    let own = |row: &&Value| {
        !row["fn"]
            .as_str()
            .is_some_and(|it| it.starts_with("runtime."))
    };
    rows.iter()
        .filter(|it| it["event"] == event)
        .filter(own)
        .collect()
}

/// `file:line` of the creation.
fn site(row: &Value) -> String {
    format!(
        "{}:{}",
        text(row, "created_file"),
        number(row, "created_line")
    )
}

/// Rows of goroutines of which there is not one creation and one exit.
fn unpaired(rows: &[Value]) -> Vec<&Value> {
    let mut events = BTreeMap::<_, Vec<_>>::new();
    for row in rows.iter().filter(|it| it["goid"].is_u64()) {
        events.entry(number(row, "goid")).or_default().push(row);
    }
    events.retain(
        |_, rows| !matches!(rows.as_slice(), [first, second] if first["event"] != second["event"]),
    );
    events.into_values().flatten().collect()
}

/// Counts per start function and creation site, and the rows agree with the sums at the end.
pub(crate) fn counts_agree(observed: &Observed) {
    let (rows, end) = (observed.rows(), observed.end());
    nothing_lost(&end);
    for (event, total, seen) in [
        ("create", "created", "created_seen"),
        ("exit", "exited", "exited_seen"),
    ] {
        let shown = u64::try_from(rows.iter().filter(|it| it["event"] == event).count()).unwrap();
        assert_eq!(number(&end, total), shown, "{event}");
        assert_eq!(number(&end, seen), shown, "{event}");

        let mut expected = BTreeMap::new();
        let field = if event == "create" {
            "created"
        } else {
            "exited"
        };
        for function in list(&observed.truth, "functions") {
            let key = (
                text(function, "calls").to_owned(),
                text(function, "site").to_owned(),
            );
            *expected.entry(key).or_insert(0) += number(function, field);
        }
        expected.retain(|_, count| *count > 0);
        let mut counted = BTreeMap::new();
        for row in of_program(&rows, event) {
            *counted
                .entry((text(row, "fn").to_owned(), site(row)))
                .or_insert(0_u64) += 1;
        }
        let difference: Vec<_> = expected
            .keys()
            .chain(counted.keys())
            .filter(|it| counted.get(*it) != expected.get(*it))
            .map(|it| (it, counted.get(it), expected.get(it)))
            .collect();
        assert!(
            difference.is_empty(),
            "{event}: seen, expected: {difference:?}; not created and ended once: {:?}",
            unpaired(&rows)
        );
    }
}

#[test]
fn every_goroutine_is_seen_once_with_its_names_and_times() {
    each(|subject| {
        for method in subject.methods() {
            let command = ["gr", "--output", "json", "--attach", method];
            let observed = observe(&subject.program, &["goroutines"], &command);
            counts_agree(&observed);
            let rows = observed.rows();
            let by_goid = |event| -> BTreeMap<u64, &Value> {
                of_program(&rows, event)
                    .into_iter()
                    .map(|it| (number(it, "goid"), it))
                    .collect()
            };
            let (creates, exits) = (by_goid("create"), by_goid("exit"));
            // Those whose time is `?` are counted, to be said why.
            let untimed = rows.iter().filter(|row| {
                let unknown = |key: &str| row[key].is_null();
                row["event"] == "exit" && unknown("running_ns") && unknown("running_at_least_ns")
            });
            assert_eq!(number(&observed.end(), "untimed"), untimed.count() as u64);
            let whole = number(&observed.truth, "work_ns");
            for function in list(&observed.truth, "functions") {
                for goroutine in list(function, "goroutines") {
                    let goid = number(goroutine, "goid");
                    let elder = function["elder"] == true;
                    let create = creates.get(&goid);
                    assert_eq!(create.is_none(), elder, "{function}");
                    let exit = exits.get(&goid);
                    assert_eq!(
                        exit.is_some(),
                        goroutine["exited"] == true,
                        "{function} {goid}"
                    );
                    for row in create.into_iter().chain(exit) {
                        assert_eq!(row["fn"], function["calls"]);
                        assert_eq!(row["start_fn"], function["start"]);
                        assert_eq!(row["pid"], observed.pid);
                        assert!(number(row, "p") < number(&observed.truth, "procs"), "{row}");
                        let parent = number(goroutine, "parent");
                        let creator = &row["creator_goid"];
                        // Before Go 1.21 only who saw the creation can know the creator.
                        let can_know = subject.toolchain.minor() >= 21 || row["event"] == "create";
                        if can_know || !creator.is_null() {
                            assert_eq!(creator.as_u64().unwrap_or(0), parent, "{row}");
                        }
                    }
                    let Some(exit) = exit else { continue };
                    if elder {
                        // What was not seen is not invented.
                        assert!(
                            exit["running_ns"].is_null() && exit["wait_ns"].is_null(),
                            "{exit}"
                        );
                        // But it is known to have lived for as long as grtmon has been watching.
                        let seen = number(exit, "running_at_least_ns");
                        assert!(0 < seen && seen < number(goroutine, "inner_ns"), "{exit}");
                        continue;
                    }
                    if UNNAMED.contains(&text(function, "start")) && exit["running_ns"].is_null() {
                        continue;
                    }
                    let running = number(exit, "running_ns");
                    assert!(
                        running >= number(goroutine, "inner_ns"),
                        "{exit} {goroutine}"
                    );
                    assert!(
                        running + number(exit, "wait_ns") < 2 * whole,
                        "{exit} {whole}"
                    );
                    let (born, died) = (create.unwrap(), exit);
                    let lived = number(died, "time_unix_ns") - number(born, "time_unix_ns");
                    assert_eq!(lived, running + number(exit, "wait_ns"), "{born} {died}");
                }
            }
        }
    });
}

#[test]
fn those_that_are_there_already_are_shown_when_asked_for() {
    each_toolchain(|subject| {
        let command = ["gr", "--output", "json", "--alive"];
        let observed = observe(&subject.program, &["goroutines"], &command);
        let (rows, end) = (observed.rows(), observed.end());
        let alive: Vec<&Value> = rows.iter().filter(|it| it["event"] == "alive").collect();
        assert_eq!(number(&end, "alive_before"), alive.len() as u64);
        let preexisting = list(&observed.truth, "functions")
            .iter()
            .find(|it| it["elder"] == true)
            .unwrap();
        let goids = |rows: &mut dyn Iterator<Item = &Value>| -> BTreeSet<u64> {
            rows.map(|it| number(it, "goid")).collect()
        };
        let seen = goids(&mut alive.iter().copied().filter(|it| {
            it["state"] == "waiting"
                && it["fn"] == preexisting["calls"]
                && site(it) == preexisting["site"]
        }));
        assert_eq!(seen, goids(&mut list(preexisting, "goroutines").iter()));
        // The first of all, which runs or is in a system call.
        assert!(
            alive
                .iter()
                .any(|it| it["goid"] == 1 && it["fn"] == "runtime.main")
        );
    });
}

#[test]
fn a_start_function_called_directly_is_counted_only_when_started() {
    each_toolchain(|subject| {
        let observed = observe(&subject.program, &["hot"], &["gr", "--output", "json"]);
        let rows = observed.rows();
        nothing_lost(&observed.end());
        for event in ["create", "exit"] {
            let hot = of_program(&rows, event)
                .iter()
                .filter(|it| it["fn"] == "main.hot")
                .count();
            assert_eq!(hot, 1009, "{event}");
        }
    });
}

#[test]
fn coroutines_are_goroutines_too() {
    each_toolchain(|subject| {
        if subject.toolchain.minor() < 23 {
            return;
        }
        let observed = observe(
            &subject.program,
            &["coroutines"],
            &["gr", "--output", "json"],
        );
        nothing_lost(&observed.end());
        let rows = observed.rows();
        let count = |event: &str| {
            let matching = rows
                .iter()
                .filter(|it| it["fn"] == "runtime.corostart" && it["event"] == event);
            u64::try_from(matching.count()).unwrap()
        };
        assert_eq!(count("create"), number(&observed.truth, "pulled"));
        assert_eq!(count("exit"), number(&observed.truth, "ended"));
    });
}

#[test]
fn run_queues_are_shown_on_request() {
    each_toolchain(|subject| {
        let command = ["gr", "--queue", "--output", "json"];
        let observed = observe(&subject.program, &["queue"], &command);
        nothing_lost(&observed.end());
        let rows = observed.rows();
        let of = |event: &str| {
            rows.iter()
                .filter(|it| it["event"] == event)
                .collect::<Vec<_>>()
        };
        let put = of("put global");
        let (seen, most) = (
            u64::try_from(put.len()).unwrap(),
            number(&observed.truth, "overflows"),
        );
        let undisturbed = observed.truth["undisturbed"] == true;
        assert!(
            (if undisturbed { most } else { 1 }..=most).contains(&seen),
            "{seen} {}",
            observed.truth
        );
        assert!(put.iter().all(|it| number(it, "moved") == 129), "{put:?}");
        assert!(!of("get global").is_empty());
        let steals = of("steal");
        assert!(
            !steals.is_empty() && steals.iter().all(|it| number(it, "moved") >= 1),
            "{steals:?}"
        );
    });
}

#[test]
fn filters_and_count_apply_before_anything_is_printed() {
    once(|subject| {
        let command = [
            "gr",
            "--output",
            "json",
            "--fn",
            r"^main\.sleeper$",
            "--min-time",
            "20ms",
        ];
        let observed = observe(&subject.program, &["goroutines"], &command);
        let rows = observed.rows();
        assert_eq!(rows.len(), 29);
        assert!(
            rows.iter()
                .all(|it| it["fn"] == "main.sleeper" && it["event"] == "exit")
        );

        let mut target = Fixture::start(&subject.program, &["goroutines"]);
        let pid = target.pid_arg();
        let tool = Grtmon::start(&["gr", "--output", "json", "--count", "7", "--pid", &pid]);
        target.work();
        let output = tool.end(crate::common::PATIENCE).success();
        assert_eq!(output.json().len(), 7 + 1);
        target.finish();
    });
}

#[test]
fn text_has_the_columns_of_the_original_first() {
    once(|subject| {
        let observed = observe(&subject.program, &["goroutines"], &["gr"]);
        let mut lines = observed.output.stdout.lines();
        let heading: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(heading[..5], ["FN", "GOID", "PID", "EVENT", "TIME(ns)"]);
        let pid = observed.pid.to_string();
        let named: Vec<Vec<&str>> = lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|cells| cells[0] == "main.named")
            .collect();
        assert_eq!(named.len(), 202);
        assert!(
            named
                .iter()
                .all(|cells| cells[2] == pid && cells[1].parse::<u64>().is_ok())
        );
        let exits = named
            .iter()
            .filter(|cells| cells[3] == "exit" && cells[4].parse::<u64>().is_ok());
        assert_eq!(exits.count(), 101);
    });
}
