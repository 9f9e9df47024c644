//! The image of packaging/Containerfile, as an engine would run it: the static executable in an empty root that cannot be
//! written, with /proc and /sys of the machine and the capabilities that the file names.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

use super::{
    common::{
        Build, Fixture, Grtmon, Output, PATIENCE, Process, fixture, newest, require_root_or_skip,
    },
    released::file,
    run::{Scratch, checkout, have},
};

/// Mounts what an engine mounts, takes away what it takes away, and runs the entry point. CAP_SYS_CHROOT, which engines
/// leave to a container, is what chroot takes here.
const START: &str = r#"
    root=$1
    shift
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -o remount,bind,ro "$root"
    set=-all,+sys_chroot,+bpf,+perfmon,+sys_ptrace
    exec setpriv --no-new-privs --inh-caps="$set" --bounding-set="$set" chroot "$root" "$@"
"#;

/// The image, unpacked.
struct Image {
    root: Scratch,
    entry: String,
}

impl Image {
    /// Built as the Containerfile says, from what `make dist` made.
    fn build() -> Self {
        let text = fs::read_to_string(checkout("packaging/Containerfile")).unwrap();
        let instruction = |name: &str| text.lines().find_map(|it| it.strip_prefix(name)).unwrap();
        assert_eq!(instruction("FROM "), "scratch");
        let place = instruction("COPY ${GRTMON} /");
        let root = Scratch::new();
        fs::copy(file("grtmon-linux-x86_64"), root.0.join(place)).unwrap();
        // Engines make the places for what they mount.
        for mounted in ["proc", "sys"] {
            fs::create_dir(root.0.join(mounted)).unwrap();
        }
        let entry: Vec<String> = serde_json::from_str(instruction("ENTRYPOINT ")).unwrap();
        assert_eq!(entry.len(), 1);
        Self {
            root,
            entry: entry[0].clone(),
        }
    }

    /// As with --pid=host and --cap-add=BPF,PERFMON,SYS_PTRACE.
    fn start(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-e", "-c"])
            .args([START, "sh"])
            .arg(&self.root.0)
            .arg(&self.entry)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        Process::start(command)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Grtmon::of(self.start(arguments)).end(PATIENCE).success()
    }
}

#[test]
#[ignore = "after make dist: make test-dist"]
fn it_observes_the_processes_of_the_machine() {
    if !cfg!(target_arch = "x86_64")
        || !require_root_or_skip()
        || !have("unshare")
        || !have("setpriv")
    {
        return;
    }
    let image = Image::build();
    let mut target = Fixture::start(&fixture(newest(), Build::STRIPPED), &["goroutines"]);
    let pid = target.pid_arg();
    let version = image.run(&["version"]).stdout;
    assert!(version.contains("\nlinked    static\n"), "{version}");
    let rows = image.run(&["ps", "--output", "json"]).json();
    let row = rows.iter().find(|it| it["pid"] == target.pid()).unwrap();
    assert!(row["goroutines"].is_number(), "{row}");
    let dump = image.run(&["dump", "--pid", &pid]).stdout;
    assert!(dump.contains("main."), "{dump}");
    for command in [
        &["stat", "--count", "1"][..],
        &["gc", "--duration", "1ms"],
        &["sched", "--duration", "1ms"],
        &["gm", "--source", "counters", "--duration", "1ms"],
        &["gm", "--source", "probes", "--duration", "1ms"],
        &["doctor"],
    ] {
        let output = image.run(&[command, &["--pid", &pid]].concat());
        assert!(!output.stderr.contains("could not"), "{}", output.stderr);
    }

    // What it sees is exact there too.
    let mut gr = image.start(&["gr", "--output", "json", "--pid", &pid]);
    gr.expect_stderr("Ctrl-C to end.");
    target.work();
    let rows = Grtmon::of(gr).stop().success().json();
    let truth = target.finish();
    let end = rows.last().unwrap();
    assert_eq!(end["lost"], Value::Array(Vec::new()), "{end}");
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for function in truth["functions"].as_array().unwrap() {
        let name = function["calls"].as_str().unwrap();
        *expected.entry(name).or_default() += function["created"].as_u64().unwrap();
    }
    expected.retain(|_, count| *count > 0);
    assert!(!expected.is_empty(), "{truth}");
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for row in rows.iter().filter(|it| it["event"] == "create") {
        if let Some(name) = row["fn"].as_str().filter(|it| expected.contains_key(it)) {
            *seen.entry(name).or_default() += 1;
        }
    }
    assert_eq!(seen, expected);
}
