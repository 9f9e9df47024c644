//! Containers as files: overlays on one image, and a root with nothing in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    common::{Fixture, Grtmon, Process, copy_program, grtmon, tool},
    containers::{about, observed, rows_by_process},
    goroutines::counts_agree,
    subject::{nothing_lost, number, once},
    users::{Public, refused},
};

/// An overlay in a mount namespace of its own, with the fixture that runs from it.
struct Overlay {
    fixture: Fixture,
}

impl Overlay {
    /// `first` is done to the program, `$1`, before it runs.
    fn start(directory: &Path, name: &str, first: &str) -> Self {
        let own = directory.join(name);
        for part in ["upper", "work", "merged"] {
            fs::create_dir_all(own.join(part)).unwrap();
        }
        let script = format!(
            "mount -t overlay overlay -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work $2/merged\n\
             cd $2/merged\nset -- ./testgo\n{first}\nexec ./testgo goroutines"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-e", "-c", &script, "sh"]);
        command.arg(directory.join("lower")).arg(&own);
        Self {
            fixture: Fixture::start_command(command),
        }
    }
}

#[test]
fn containers_of_one_image_are_told_apart() {
    once(|subject| {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("overlay.{}", std::process::id()));
        fs::create_dir_all(directory.join("lower")).unwrap();
        copy_program(&subject.program, &directory.join("lower/testgo"));
        let start = |name, first| Overlay::start(&directory, name, first).fixture;
        let mut one = start("one", "");
        let mut two = start("two", "");
        // This one runs a copy of its own, in its upper layer.
        let mut copied = start("copied", "touch $1");

        // Each has a row of its own, whatever of the image it shares.
        let listed = grtmon(&["ps", "--output", "json"]).success().json();
        for fixture in [&one, &two, &copied] {
            let row = listed.iter().find(|it| it["pid"] == fixture.pid());
            let row = row.unwrap_or_else(|| panic!("no row of {}", fixture.pid()));
            let version = format!("go{}", subject.toolchain.version);
            assert_eq!(row["go_version"], version, "{row}");
            let of_it = grtmon(&[
                "stat",
                "--count",
                "1",
                "--output",
                "json",
                "--pid",
                &fixture.pid_arg(),
            ]);
            let of_it = of_it.success().json().pop().unwrap();
            for (member, of_stat) in [
                ("goroutines", "goroutines"),
                ("gc_cycles", "gc_cycles_in_all"),
            ] {
                assert!(row[member].is_u64(), "{row}");
                assert_eq!(row[member], of_it[of_stat], "{row} {of_it}");
            }
            assert_eq!(row["command"], "./testgo goroutines", "{row}");
            assert_eq!(row["unread"], Value::Null, "{row}");
        }

        // One of them, though the kernel attaches probes to what all of them share.
        let pid_arg = one.pid_arg();
        let tool = Grtmon::start(&["gr", "--output", "json", "--pid", &pid_arg]);
        one.work();
        two.work();
        let output = tool.stop();
        let pid = one.pid();
        let seen = observed(one.finish(), output, pid);
        counts_agree(&seen);
        assert!(seen.rows().iter().all(|it| it["pid"] == pid));
        // The others pay nothing for it.
        let hits = number(&seen.end()["cost"], "hits");
        two.finish();

        // The file: whoever runs it, seen through whatever overlay, but not the copy.
        let (mut one, mut two) = (start("one", ""), start("two", ""));
        let path = format!("/proc/{}/cwd/testgo", one.pid());
        let tool = Grtmon::start(&["gr", "--output", "json", "--binpath", &path]);
        one.work();
        two.work();
        copied.work();
        let output = tool.stop().success();
        nothing_lost(output.json().last().unwrap());
        let rows = rows_by_process(&output);
        let (first, second) = (u64::from(one.pid()), u64::from(two.pid()));
        assert_eq!(rows.len(), 2, "{rows:?}");
        about(rows.get(&Some(first)), &one.finish());
        about(rows.get(&Some(second)), &two.finish());
        let both = number(&output.json().last().unwrap()["cost"], "hits");
        assert!(hits < both, "{hits} {both}");
        // Those that were there already were counted in both.
        assert!(number(output.json().last().unwrap(), "alive_before") >= 2 * 19);

        // The copy is a program like any other.
        let pid = copied.pid();
        let output = grtmon(&["dump", "--output", "json", "--pid", &pid.to_string()]);
        output.success();
        copied.finish();
        fs::remove_dir_all(&directory).unwrap();
    });
}

#[test]
fn a_root_that_holds_nothing_but_grtmon_is_enough() {
    once(|subject| {
        let Some(chroot) = tool("chroot") else { return };
        let public = Public::new("scratch");
        let root = public.directory.join("root");
        fs::create_dir_all(root.join("proc")).unwrap();
        fs::create_dir_all(root.join("sys")).unwrap();
        copy_program(
            Path::new(env!("CARGO_BIN_EXE_grtmon")),
            &root.join("grtmon"),
        );
        libraries(&root);
        let target = Fixture::start(&subject.program, &["goroutines"]);
        let pid = target.pid_arg();
        // As a container with the host's PID namespace: its /proc, and /sys, are those of the machine.
        let proc = "mount -t proc proc $1/proc && shift && exec \"$@\"";
        let both = format!("mount -t sysfs -o ro sysfs $1/sys && {proc}");
        let inside_of = |script: &str, namespaces: &[&str], arguments: &[&str]| {
            let mut command = Command::new("unshare");
            command
                .arg("--mount")
                .args(namespaces)
                .args(["sh", "-c", script, "sh"])
                .arg(&root)
                .arg(&chroot)
                .arg(&root)
                .arg("/grtmon")
                .args(arguments);
            Grtmon::of(Process::start(command)).end(crate::common::PATIENCE)
        };
        let inside =
            |namespaces: &[&str], arguments: &[&str]| inside_of(&both, namespaces, arguments);
        for command in [
            &["gr", "--duration", "1ms"][..],
            &["gc", "--duration", "1ms"],
            &["gm", "--source", "probes", "--duration", "1ms"],
            &["dump"],
            &["stat", "--count", "1"],
            &["doctor"],
        ] {
            let mut arguments = command.to_vec();
            arguments.extend(["--pid", &pid]);
            let output = inside(&[], &arguments).success();
            assert!(!output.stderr.contains("could not"), "{}", output.stderr);
        }
        let rows = inside(&[], &["ps", "--output", "json"]).success().json();
        assert!(rows.iter().any(|it| it["pid"] == target.pid()));
        refused(&inside_of(proc, &[], &["gr", "--pid", &pid]), &["/sys"]);
        // With a PID namespace of its own, where nothing runs but itself.
        let alone = ["--pid", "--fork", "--kill-child"];
        let rows = inside(&alone, &["ps", "--output", "json"]).success().json();
        assert!(rows.is_empty(), "{rows:?}");
        inside(&alone, &["doctor"]).success();
        drop(target);
    });
}

/// The libraries of this build; the one that is shipped has none.
fn libraries(root: &Path) {
    let output = Command::new("ldd")
        .arg(env!("CARGO_BIN_EXE_grtmon"))
        .output()
        .unwrap();
    for word in String::from_utf8_lossy(&output.stdout).split_whitespace() {
        if word.starts_with('/') {
            let to = root.join(word.trim_start_matches('/'));
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            copy_program(Path::new(word), &to);
        }
    }
}
