//! A program that is replaced while it is observed, by another file or in place: the new one, started at once, comes to no
//! harm, and it is said what is seen of it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use nix::unistd::{Gid, Uid, chown};

use crate::{
    common::{
        Build, Fixture, Grtmon, PATIENCE, Process, copy_program, fixture, grtmon, in_ci, prebuilt,
        require_root_or_skip, tool,
    },
    subject::{Subject, number, once},
    users::refused,
};

/// What is tried, each of them as often as this says.
const COMMANDS: [&[&str]; 3] = [&["gr", "--output", "json"], &["sched"], &["gc"]];

fn times() -> usize {
    match (prebuilt().is_some(), in_ci()) {
        (true, _) => 2,
        (false, true) => 30,
        (false, false) => 10,
    }
}

/// A program under a name of its own, and the one that replaces it, whose code lies elsewhere.
struct Deployed {
    directory: PathBuf,
    path: PathBuf,
    old: PathBuf,
    new: PathBuf,
}

impl Deployed {
    fn of(subject: &Subject, name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}.{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("server");
        copy_program(&subject.program, &path);
        Self {
            directory,
            path,
            old: subject.program.clone(),
            new: fixture(subject.toolchain, Build::STRIPPED_PIE.or_prebuilt()),
        }
    }

    /// As a package manager does.
    fn upgrade_by_rename(&self, to: &Path) {
        let beside = self.directory.join("server.new");
        copy_program(to, &beside);
        fs::rename(&beside, &self.path).unwrap();
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Runs the program to its end, which must be a good one. It comes by the places that all commands probe.
fn runs_well(path: &Path, what: &str) {
    let mut command = Command::new(path);
    command.arg("goroutines");
    let mut process = Process::start(command);
    process.close_stdin();
    let (status, _) = process.wait();
    assert!(status.success(), "{what}: {status}\n{}", process.stderr());
}

#[test]
fn a_program_copied_over_runs_without_the_probes_of_the_old_one() {
    once(|subject| {
        let deployed = Deployed::of(subject, "in-place");
        for command in COMMANDS {
            for time in 0..times() {
                copy_program(&deployed.old, &deployed.path);
                let mut arguments = command.to_vec();
                arguments.extend(["--binpath", deployed.path()]);
                let tool = Grtmon::start(&arguments);
                // Nobody runs it, so it can be written to.
                copy_program(&deployed.new, &deployed.path);
                runs_well(&deployed.path, &format!("{command:?}, time {time}"));
                let output = tool.end(PATIENCE).success();
                assert!(
                    output.stderr.contains("opened to be written to"),
                    "{}",
                    output.stderr
                );
            }
        }
    });
}

#[test]
fn a_program_replaced_by_another_file_is_observed_as_what_it_is() {
    once(|subject| {
        let deployed = Deployed::of(subject, "by-rename");
        for command in COMMANDS {
            for time in 0..times() {
                deployed.upgrade_by_rename(&deployed.old);
                let mut arguments = command.to_vec();
                arguments.extend(["--binpath", deployed.path()]);
                // One runs already, one is started when the file has been replaced.
                let mut old = Fixture::start(&deployed.path, &["goroutines"]);
                let mut tool = Grtmon::start(&arguments);
                deployed.upgrade_by_rename(&deployed.new);
                let mut new = Fixture::start(&deployed.path, &["goroutines"]);
                runs_well(&deployed.path, &format!("{command:?}, time {time}"));
                let said = "was replaced on disk: what runs the new file is observed too";
                tool.process().expect_stderr(said);
                // Start functions are learned from what is met: probes are set meanwhile.
                old.work();
                new.work();
                let output = tool.stop().success();
                let (old_pid, new_pid) = (old.pid(), new.pid());
                old.finish();
                new.finish();
                if command[0] == "gr" {
                    let rows = output.json();
                    let of = |pid| rows.iter().filter(|it| it["pid"] == pid).count();
                    assert!(of(old_pid) > 1000, "{} rows", of(old_pid));
                    assert!(of(new_pid) > 1000, "{} rows", of(new_pid));
                    let end = rows.last().unwrap();
                    assert!(number(end, "created") > 1000);
                    assert_eq!(end["notes"][0]["cause"], "replaced");
                }
            }
        }
    });
}

/// Not everything that takes the place of a program can be observed.
#[test]
fn a_program_replaced_by_what_is_none_is_said_to_be() {
    once(|subject| {
        let deployed = Deployed::of(subject, "by-none");
        let mut tool = Grtmon::start(&["gr", "--output", "json", "--binpath", deployed.path()]);
        let mut old = Fixture::start(&deployed.path, &["goroutines"]);
        let other = deployed.path.with_extension("other");
        copy_program(Path::new("/bin/true"), &other);
        fs::rename(&other, &deployed.path).unwrap();
        tool.process()
            .expect_stderr("processes started from now on run another binary and are not seen: ");
        old.work();
        let output = tool.stop().success();
        let pid = old.pid();
        old.finish();
        let rows = output.json();
        assert!(rows.iter().filter(|it| it["pid"] == pid).count() > 1000);
        assert_eq!(
            output.stderr.matches("was replaced").count(),
            1,
            "{}",
            output.stderr
        );
    });
}

#[test]
fn a_file_that_somebody_writes_to_is_left_alone() {
    once(|subject| {
        let deployed = Deployed::of(subject, "being-written");
        // Not in this process: a child of another test would have it open for a moment too.
        let mut command = Command::new("sh");
        command.args(["-c", "exec >>\"$1\"; echo open >&2; read line", "sh"]);
        command.arg(&deployed.path);
        let mut writer = Process::start(command);
        writer.expect_stderr("open");
        for command in ["gr", "sched", "gc"] {
            let output = grtmon(&[command, "--binpath", deployed.path()]);
            refused(&output, &["open to write"]);
        }
        writer.close_stdin();
        writer.wait();
        // And nobody is kept from writing when grtmon has gone.
        grtmon(&["gr", "--duration", "1ms", "--binpath", deployed.path()]).success();
        copy_program(&deployed.new, &deployed.path);
        runs_well(&deployed.path, "afterwards");
    });
}

/// Where there is no lease to be had, the change itself is noticed.
#[test]
fn without_a_lease_probes_go_when_the_file_changes() {
    once(|subject| {
        let Some(setpriv) = tool("setpriv") else {
            return;
        };
        if !require_root_or_skip() {
            return;
        }
        let deployed = Deployed::of(subject, "no-lease");
        let (nobody, group) = (Uid::from_raw(65534), Gid::from_raw(65534));
        chown(&deployed.path, Some(nobody), Some(group)).unwrap();
        let mut command = Command::new(setpriv);
        command
            .args(["--bounding-set=-lease", "--inh-caps=-lease"])
            .arg(env!("CARGO_BIN_EXE_grtmon"))
            .args(["gr", "--binpath", deployed.path()]);
        let mut process = Process::start(command);
        process.expect_stderr("Ctrl-C to end.");
        let tool = Grtmon::of(process);
        copy_program(&deployed.new, &deployed.path);
        let output = tool.end(PATIENCE).success();
        assert!(
            output.stderr.contains("was changed in place"),
            "{}",
            output.stderr
        );
        runs_well(&deployed.path, "afterwards");
    });
}

/// Nobody tells of a write to the layer below an overlay, and who writes can set the time back.
#[test]
fn a_layer_written_below_is_noticed_whatever_its_size_and_time() {
    once(|subject| {
        if !require_root_or_skip() {
            return;
        }
        let deployed = Deployed::of(subject, "below");
        for part in ["upper", "work", "merged"] {
            fs::create_dir_all(deployed.directory.join(part)).unwrap();
        }
        let (mut old, mut new) = (
            fs::read(&deployed.old).unwrap(),
            fs::read(&deployed.new).unwrap(),
        );
        let size = old.len().max(new.len());
        old.resize(size, 0);
        new.resize(size, 0);
        let layer = deployed.directory.join("lower");
        fs::create_dir_all(&layer).unwrap();
        let below = layer.join("server");
        copy_program(&deployed.old, &below);
        fs::write(&below, &old).unwrap();
        let modified = fs::metadata(&below).unwrap().modified().unwrap();
        let script = "cd $1\nmount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged\n\
                      exec $2 gr --binpath merged/server";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-e", "-c", script, "sh"]);
        command
            .arg(&deployed.directory)
            .arg(env!("CARGO_BIN_EXE_grtmon"));
        let mut process = Process::start(command);
        process.expect_stderr("Ctrl-C to end.");
        let file = File::options().write(true).open(&below).unwrap();
        file.write_all_at(&new, 0).unwrap();
        file.set_modified(modified).unwrap();
        drop(file);
        process.expect_stderr("was changed in place");
        Grtmon::of(process).end(PATIENCE).success();
        runs_well(&below, "below");
    });
}

/// New times, and the contents as they were.
#[test]
fn a_program_that_is_touched_goes_on_being_observed() {
    once(|subject| {
        let deployed = Deployed::of(subject, "touched");
        let tool = Grtmon::start(&["gr", "--output", "json", "--binpath", deployed.path()]);
        let file = File::open(&deployed.path).unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        file.set_modified(later).unwrap();
        // The file is looked at ten times a second.
        thread::sleep(Duration::from_millis(500));
        runs_well(&deployed.path, "touched");
        let output = tool.stop().success();
        let end = output.json().pop().unwrap();
        assert!(number(&end, "exited") > 0, "{end}\n{}", output.stderr);
        assert!(!output.stderr.contains("changed"), "{}", output.stderr);
    });
}
