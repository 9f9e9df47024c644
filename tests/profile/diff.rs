//! What has changed since a file was written.

use std::fs;

use crate::{
    common::{Build, Fixture, fixture, grtmon, newest},
    scratch::Scratch,
};

fn start(arguments: &[&str]) -> Fixture {
    Fixture::start(&fixture(newest(), Build::STRIPPED_PIE), arguments)
}

fn parked(count: &str) -> Fixture {
    let mut target = start(&["parked", "-n", count]);
    target.go_until("parked");
    target
}

/// The words of the row of a function.
fn row<'t>(table: &'t str, function: &str) -> Vec<&'t str> {
    let rows = table.lines().map(|line| line.split_whitespace().collect());
    let mut rows = rows.filter(|words: &Vec<&str>| words.contains(&function));
    rows.next()
        .unwrap_or_else(|| panic!("{function} in {table}"))
}

#[test]
fn of_goroutines() {
    let (mut before, mut now) = (parked("103"), parked("140"));
    let scratch = Scratch::new();
    let base = scratch.file("base.pb.gz");
    grtmon(&[
        "profile",
        "goroutine",
        "--pid",
        &before.pid_arg(),
        "-w",
        &base,
    ])
    .success();
    let diff = |target: &Fixture, more: &[&str]| {
        let pid = target.pid_arg();
        grtmon(
            &[
                &["profile", "goroutine", "--pid", &pid, "--diff", &base],
                more,
            ]
            .concat(),
        )
    };
    let output = diff(&now, &[]).success();
    let words = row(&output.stdout, "main.park");
    assert_eq!((words[0], words[2]), ("0", "+37"), "{}", output.stdout);
    let words = row(&output.stdout, "runtime.gopark");
    assert_eq!((words[0], words[2]), ("+37", "+37"), "{}", output.stdout);
    assert!(
        output.stderr.contains("104 → 141 (+37)"),
        "{}",
        output.stderr
    );
    // The main goroutine is where it was.
    assert!(!output.stdout.contains("main.main"), "{}", output.stdout);
    let output = diff(&now, &["--output", "folded"]).success();
    let mut stacks = output.stdout.lines();
    let stack = stacks.find(|it| it.contains("main.park")).unwrap();
    assert!(stack.ends_with(" 103 140"), "{stack}");
    let page = diff(&now, &["--output", "html"]).success().stdout;
    assert!(page.contains("\"base\":["), "the page has both");
    // None of what is not wanted, on either side.
    let output = diff(&now, &["--fn", "main.main$"]).success();
    assert_eq!(output.stdout, "");
    assert!(
        output.stderr.contains("nothing has changed"),
        "{}",
        output.stderr
    );
    // The other way, and to itself.
    let later = scratch.file("later.pb.gz");
    grtmon(&[
        "profile",
        "goroutine",
        "--pid",
        &now.pid_arg(),
        "-w",
        &later,
    ])
    .success();
    let pid = before.pid_arg();
    let fewer = grtmon(&["profile", "goroutine", "--pid", &pid, "--diff", &later]).success();
    assert_eq!(
        row(&fewer.stdout, "main.park")[2],
        "-37",
        "{}",
        fewer.stdout
    );
    let output = diff(&before, &[]).success();
    assert_eq!(output.stdout, "");
    for target in [&mut before, &mut now] {
        target.go_until("done");
    }
    before.finish();
    now.finish();
}

/// A file of net/http/pprof's: the program's own.
#[test]
fn of_what_the_program_wrote() {
    let scratch = Scratch::new();
    let dir = scratch.file("");
    let mut first = start(&["profiles", "-rate", "1", "-n", "1009", "-dir", &dir]);
    first.work();
    first.finish();
    let theirs = scratch.file("heap.pb.gz");
    let mut second = start(&["profiles", "-rate", "1", "-n", "3027"]);
    let pid = second.pid_arg();
    let output = grtmon(&["profile", "heap", "--pid", &pid, "--diff", &theirs]).success();
    // Records of 112 bytes that stay: n, and n / 3, of 3027 and of 1009.
    let output_objects = grtmon(&[
        "profile",
        "heap",
        "--pid",
        &pid,
        "--diff",
        &theirs,
        "--count",
        "inuse_objects",
    ])
    .success();
    let words = row(&output_objects.stdout, "main.newRecord");
    assert_eq!(words[0], "+2691", "{}", output_objects.stdout);
    let words = row(&output.stdout, "main.newRecord");
    assert_eq!(words[..2].join(" "), "+294 KiB", "{}", output.stdout);
    second.work();
    second.finish();
}

#[test]
fn what_is_no_base_is_refused() {
    let mut target = parked("3");
    let pid = target.pid_arg();
    let scratch = Scratch::new();
    let (own, garbage) = (scratch.file("own.pb.gz"), scratch.file("garbage"));
    grtmon(&["profile", "threadcreate", "--pid", &pid, "-w", &own]).success();
    fs::write(&garbage, "no profile").unwrap();
    let pipe = scratch.file("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let none = scratch.file("none");
    for (base, form, why) in [
        (
            &own,
            "text",
            "another kind: it counts threadcreate, this one goroutine",
        ),
        (&garbage, "text", "no profile as `go tool pprof` takes it"),
        (&pipe, "text", "it is no file"),
        (&none, "text", "No such file"),
        (&own, "json", "a difference is a table"),
    ] {
        let output = grtmon(&[
            "profile",
            "goroutine",
            "--pid",
            &pid,
            "--diff",
            base,
            "--output",
            form,
        ]);
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert_eq!(output.stdout, "");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(why), "{}", output.stderr);
    }
    target.go_until("done");
    target.finish();
}

/// Types have no stacks; what has changed of them is told all the same.
#[test]
fn of_types() {
    let (mut before, mut now) = (
        start(&["types", "-n", "1009"]),
        start(&["types", "-n", "2018"]),
    );
    let scratch = Scratch::new();
    let base = scratch.file("types.pb.gz");
    let of = |target: &Fixture, more: &[&str]| {
        let pid = target.pid_arg();
        grtmon(&[&["profile", "heap", "--types", "--pid", &pid], more].concat()).success()
    };
    of(&before, &["-w", &base]);
    let output = of(&now, &["--diff", &base, "--count", "heap_objects"]);
    // 3 n + 1 of them.
    let words = row(&output.stdout, "main.typesSquare");
    assert_eq!(words[0], "+3027", "{}", output.stdout);
    let heading = output.stdout.lines().next().unwrap();
    assert!(heading.trim_end().ends_with(" TYPE"), "{heading}");
    before.work();
    now.work();
    before.finish();
    now.finish();
}
