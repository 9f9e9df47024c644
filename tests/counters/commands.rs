//! `stat`, `ps` and `gm` by counters as people call them.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::common::{
    Build, Fixture, Grtmon, copy_program, fixture, grtmon, newest, require_root_or_skip, toolchains,
};

/// The objects that a command printed, one per line.
fn json(arguments: &[&str], pid: &str) -> Vec<Value> {
    let all = [arguments, &["--output", "json"]].concat();
    let all = match pid {
        "" => all,
        pid => [&all[..], &["--pid", pid]].concat(),
    };
    grtmon(&all).success().json()
}

#[test]
fn commands_agree_with_the_program() {
    for toolchain in toolchains() {
        let program = fixture(toolchain, Build::STRIPPED_PIE);
        let mut target = Fixture::start(&program, &["counters"]);
        let (pid, target_pid) = (target.pid_arg(), target.pid());
        for _ in 0..5 {
            target.go_until("quiet");
        }
        let stat = json(&["stat", "--count", "1"], &pid).remove(0);
        let metrics = json(&["stat", "--metrics"], &pid);
        let gm = json(&["gm", "--duration", "10ms"], &pid).pop().unwrap();
        let rows = json(&["ps"], "");
        target.work();
        let truth = target.finish();
        let name = format!("Go {}", toolchain.version);
        let own = &truth["before"][4];

        assert_eq!(stat["goroutines"], own["goroutines"], "{name}: {stat}");
        assert_eq!(stat["objects"], own["mallocs"], "{name}: {stat}");
        assert_eq!(stat["bytes"], own["total_alloc"], "{name}: {stat}");
        assert_eq!(stat["gc_cycles_in_all"], own["num_gc"], "{name}: {stat}");
        assert_eq!(stat["gc_cycles"], own["num_gc"], "{name}: {stat}");
        assert_eq!(stat["counts_moving"], 0, "{name}: {stat}");
        let metric = |name: &str| {
            let line = metrics.iter().find(|it| it["name"] == name);
            line.unwrap_or_else(|| panic!("no {name}"))["value"].clone()
        };
        for of_both in ["/sched/gomaxprocs:threads", "/gc/heap/goal:bytes"] {
            assert_eq!(metric(of_both), own["metrics"][of_both], "{name}");
        }
        assert_eq!(stat["processors"], metric("/sched/gomaxprocs:threads"));
        assert_eq!(stat["heap_goal_bytes"], metric("/gc/heap/goal:bytes"));

        assert_eq!(gm["source"], "counters", "{name}: {gm}");
        assert_eq!(gm["objects"], 0, "{name}: nothing happened: {gm}");
        assert_eq!(gm["since_start"]["objects"], own["mallocs"], "{name}: {gm}");
        assert_eq!(
            gm["since_start"]["bytes"], own["total_alloc"],
            "{name}: {gm}"
        );

        let row = rows.iter().find(|row| row["pid"] == target_pid);
        let row = row.unwrap_or_else(|| panic!("{name}: not in {rows:?}"));
        assert_eq!(row["go_version"], format!("go{}", toolchain.version));
        assert_eq!(row["module"], "testgo", "{name}: {row}");
        assert_eq!(row["goroutines"], own["goroutines"], "{name}: {row}");
        assert_eq!(row["heap_bytes"], own["heap_inuse"], "{name}: {row}");
        assert_eq!(row["gc_cycles"], own["num_gc"], "{name}: {row}");
        assert_eq!(row["unread"], Value::Null, "{name}: {row}");
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap();
        assert_eq!(row["user"], user.unwrap().name, "{name}: {row}");
        let command = format!("{} counters", program.display());
        assert_eq!(row["command"], command, "{name}: {row}");
        assert!(
            row["uptime_seconds"].as_u64().unwrap() < 600,
            "{name}: {row}"
        );
    }
}

#[test]
fn stat_prints_as_many_lines_as_it_is_told_and_ends_with_the_process() {
    let mut target = Fixture::start(&fixture(newest(), Build::STRIPPED_PIE), &["churn"]);
    let pid = target.pid_arg();
    let lines = ["stat", "--interval", "10ms", "--count", "7", "--pid", &pid];
    let output = grtmon(&lines).success();
    assert_eq!(output.stdout.lines().count(), 8, "{}", output.stdout);
    let heading = output.stdout.lines().next().unwrap();
    assert!(heading.trim_start().starts_with("GOROS"), "{heading}");
    assert!(output.stdout.lines().all(|line| line.chars().count() <= 80));
    let timed = [
        "stat",
        "--interval",
        "1h",
        "--duration",
        "10ms",
        "--pid",
        &pid,
    ];
    assert_eq!(grtmon(&timed).success().stdout.lines().count(), 2);

    let follow = Grtmon::start_silent(&["stat", "--interval", "10ms", "--pid", &pid]);
    follow.wait_for_line();
    target.work();
    target.finish();
    let output = follow.end(crate::common::PATIENCE).success();
    assert_eq!(output.stderr, "");
    assert!(output.stdout.lines().count() >= 2, "{}", output.stdout);
}

#[test]
fn another_program_in_the_same_process_is_noticed() {
    for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
        let start = || Fixture::start(&fixture(newest(), build), &["exec"]);
        let mut target = start();
        let arguments = ["stat", "--interval", "1ms", "--pid", &target.pid_arg()];
        let tool = Grtmon::start_silent(&arguments);
        tool.wait_for_line();
        target.process.go();
        let output = tool.end(crate::common::PATIENCE);
        assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains("exec"), "{}", output.stderr);

        let mut target = start();
        let tool = Grtmon::start(&["gm", "--pid", &target.pid_arg()]);
        target.process.go();
        let output = tool.end(crate::common::PATIENCE).success();
        assert!(output.stderr.contains("by exec"), "{}", output.stderr);
    }
}

#[test]
fn gm_says_where_its_counts_come_from() {
    let mut target = Fixture::start(&fixture(newest(), Build::STRIPPED_PIE), &["churn"]);
    let pid = target.pid_arg();
    let tool = Grtmon::start(&["gm", "--pid", &pid]);
    target.work();
    target.finish();
    let output = tool.end(crate::common::PATIENCE).success();
    assert!(
        output
            .stderr
            .starts_with("Reading the allocation counters of testgo")
    );
    assert!(
        output.stderr.contains("is not counted"),
        "{}",
        output.stderr
    );
    assert!(
        output.stdout.contains("since the process began"),
        "{}",
        output.stdout
    );
}

#[test]
fn what_cannot_be_read_is_refused_in_one_line() {
    let me = std::process::id().to_string();
    let program = fixture(newest(), Build::DEFAULT);
    let cases: [(&[&str], &str); 5] = [
        (&["stat", "--pid", "4194304"], "4194304"),
        (&["stat", "--pid", &me], "Go"),
        (&["stat", "--metrics", "--pid", &me], "Go"),
        (&["gm", "--source", "counters", "--pid", &me], "Go"),
        (
            &[
                "gm",
                "--source",
                "counters",
                "--binpath",
                program.to_str().unwrap(),
            ],
            "--pid",
        ),
    ];
    for (arguments, word) in cases {
        let output = grtmon(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert_eq!(output.stdout, "", "{arguments:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
        assert!(output.stderr.contains(word), "{}", output.stderr);
    }
    for arguments in [
        &["stat"][..],
        &["stat", "--pid", &me, "--count", "0"],
        &["stat", "--pid", &me, "--metrics", "--interval", "1s"],
        &["gm", "--pid", &me, "--source", "guesses"],
        &["ps", "--pid", &me],
    ] {
        assert_eq!(grtmon(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn without_privilege_own_processes_are_read_and_others_named() {
    if !require_root_or_skip() {
        return;
    }
    // Copies that everybody may run.
    let directory = std::env::temp_dir().join(format!("grtmon-ps.{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let (tool, program) = (directory.join("grtmon"), directory.join("testgo"));
    copy_program(Path::new(env!("CARGO_BIN_EXE_grtmon")), &tool);
    copy_program(&fixture(newest(), Build::STRIPPED_PIE), &program);
    let nobody = 65534;
    let start = |uid: u32| {
        let mut command = Command::new(&program);
        command.arg("parked").uid(uid).gid(uid);
        Fixture::start_command(command)
    };
    let (own, other) = (start(nobody), start(0));
    let output = Command::new(&tool)
        .args(["ps", "--output", "json"])
        .uid(nobody)
        .gid(nobody)
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let row = |pid: u32| rows.iter().find(|row| row["pid"] == pid).unwrap();

    let row_of_other = row(other.pid());
    assert_eq!(row_of_other["user"], "root");
    assert_eq!(row_of_other["goroutines"], Value::Null);
    assert_eq!(row_of_other["go_version"], Value::Null);
    let why = row_of_other["unread"].as_str().unwrap();
    assert!(why.contains("belongs to user 0"), "{why}");

    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let row_of_own = row(own.pid());
    assert_eq!(row_of_own["go_version"], format!("go{}", newest().version));
    match yama.trim() {
        "" | "0" => {
            assert_eq!(row_of_own["unread"], Value::Null, "{row_of_own}");
            assert!(row_of_own["goroutines"].as_u64().unwrap() > 0);
        }
        _ => assert!(row_of_own["unread"].as_str().unwrap().contains("Yama")),
    }
    drop((own, other));
    fs::remove_dir_all(&directory).unwrap();
}

/// Counters are those of a process that runs: a command is not started for them, in vain, and what to do is said.
#[test]
fn a_command_is_not_started_for_counters() {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let trace = room.join(format!("started.{}", std::process::id()));
    for command in ["gm", "sched"] {
        for target in [
            &["--", "touch", trace.to_str().unwrap()][..],
            &["--binpath", "/bin/true"],
        ] {
            let output = grtmon(&[&[command, "--source", "counters"], target].concat());
            assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
            assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
            for word in ["start the command first", "--pid", "--source probes"] {
                assert!(output.stderr.contains(word), "{}", output.stderr);
            }
        }
    }
    assert!(!trace.exists());
    let two = ["sched", "--source", "counters", "--pid", "1", "--pid", "2"];
    let output = grtmon(&two);
    assert!(
        output.stderr.contains("give one --pid"),
        "{}",
        output.stderr
    );
}
