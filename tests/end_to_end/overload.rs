//! `gr` where there are more goroutines than there is room for: each is seen, or counted as lost.

use std::collections::BTreeSet;

use crate::{
    common::{Fixture, Grtmon},
    goroutines::of_program,
    subject::{adds_up, each_toolchain, list, lost, nothing_lost, number, observe, once},
};

#[test]
fn what_is_not_shown_is_counted_as_lost() {
    each_toolchain(|subject| {
        // The smallest ring buffer there is: most is lost, nothing is forgotten.
        let command = ["gr", "--output", "json", "--buffer", "4"];
        let observed = observe(&subject.program, &["churn", "-n", "20011"], &command);
        let (rows, end) = (observed.rows(), observed.end());
        for (event, total, seen, cause) in [
            ("create", "created", "created_seen", "ring_full_create"),
            ("exit", "exited", "exited_seen", "ring_full_exit"),
        ] {
            let shown =
                u64::try_from(rows.iter().filter(|it| it["event"] == event).count()).unwrap();
            assert_eq!(number(&end, seen), shown);
            assert_eq!(number(&end, total), shown + lost(&end, cause), "{end}");
            let done: u64 = list(&observed.truth, "functions")
                .iter()
                .map(|it| number(it, total))
                .sum();
            // The runtime's own goroutines come on top.
            assert!(
                (done..done + 50).contains(&number(&end, total)),
                "{done} {end}"
            );
        }
        assert!(
            lost(&end, "ring_full_create") > 0,
            "no overload, so nothing was tested: {end}"
        );
        assert!(
            observed.output.stderr.contains("ring buffer was full"),
            "{}",
            observed.output.stderr
        );
    });
}

#[test]
fn many_goroutines_from_many_threads_are_all_seen() {
    each_toolchain(|subject| {
        let command = ["gr", "--output", "json", "--buffer", "65536"];
        let observed = observe(&subject.program, &["churn", "-n", "50021"], &command);
        nothing_lost(&observed.end());
        let rows = observed.rows();
        for event in ["create", "exit"] {
            let goids: Vec<u64> = of_program(&rows, event)
                .iter()
                .filter(|it| it["fn"] == "main.churn")
                .map(|it| number(it, "goid"))
                .collect();
            assert_eq!(goids.len(), 50021, "{event}");
            assert_eq!(
                goids.iter().collect::<BTreeSet<_>>().len(),
                goids.len(),
                "a goid twice"
            );
        }
    });
}

#[test]
fn a_hundred_thousand_live_goroutines_are_remembered() {
    each_toolchain(|subject| {
        let mut target = Fixture::start(&subject.program, &["parked"]);
        let command = [
            "gr",
            "--output",
            "json",
            "--buffer",
            "65536",
            "--pid",
            &target.pid_arg(),
            "--fn",
            "main.park$",
        ];
        let tool = Grtmon::start(&command);
        target.go_until("parked");
        target.work();
        let output = tool.stop().success();
        let truth = target.finish();
        let rows = output.json();
        let (end, rows) = rows.split_last().unwrap();
        // On a busy machine not all is taken in time: that is not what is asked here.
        let exits = of_program(rows, "exit");
        let creates = of_program(rows, "create");
        adds_up(end, exits.len() + creates.len(), 2 * 100_003);
        assert!(exits.len() <= 100_003 && creates.len() <= 100_003);
        assert!(!exits.is_empty(), "{end}");
        for exit in exits {
            assert!(
                number(exit, "running_ns") <= number(&truth, "work_ns"),
                "{exit}"
            );
        }
    });
}

#[test]
fn a_full_table_of_goroutines_is_said() {
    once(|subject| {
        let mut target = Fixture::start(&subject.program, &["parked", "-n", "5003"]);
        let pid = target.pid_arg();
        let command = [
            "gr",
            "--output",
            "json",
            "--max-goroutines",
            "1000",
            "--pid",
            &pid,
        ];
        let tool = Grtmon::start(&command);
        target.go_until("parked");
        target.work();
        let output = tool.stop().success();
        target.finish();
        let rows = output.json();
        let (end, rows) = rows.split_last().unwrap();
        let exits = of_program(rows, "exit");
        assert_eq!(exits.len(), 5003);
        let unknown = exits.iter().filter(|it| it["wait_ns"].is_null()).count();
        // As many as were asked for are remembered, and not very many more.
        assert!((1..=4003).contains(&unknown), "{unknown}");
        assert!(
            lost(end, "map_full") + lost(end, "map_full_create") >= u64::try_from(unknown).unwrap(),
            "{end}"
        );
    });
}
