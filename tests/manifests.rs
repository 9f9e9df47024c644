//! What is in packaging/ is well-formed and asks for no more than the README says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "test code"
)]

mod common;

use std::{fs, path::PathBuf, process::Command};

use yaml_rust2::{Yaml, YamlLoader};

fn packaging(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(packaging(name)).unwrap()
}

/// Not privileged, nothing can be written, and exactly these capabilities.
fn is_modest(context: &Yaml) {
    assert_eq!(context["privileged"].as_bool(), Some(false));
    assert_eq!(context["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(context["runAsUser"].as_i64(), Some(0));
    let list = |name: &str| -> Vec<&str> {
        let capabilities = context["capabilities"][name].as_vec().unwrap();
        capabilities.iter().map(|it| it.as_str().unwrap()).collect()
    };
    assert_eq!(list("drop"), ["ALL"]);
    assert_eq!(list("add"), ["BPF", "PERFMON", "SYS_PTRACE"]);
}

#[test]
fn the_daemon_set_is_one_and_is_modest() {
    let documents = YamlLoader::load_from_str(&text("kubernetes/daemonset.yaml")).unwrap();
    let kinds: Vec<_> = documents.iter().map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("Namespace"), Some("DaemonSet")]);
    let (namespace, set) = (&documents[0], &documents[1]);
    assert_eq!(set["apiVersion"].as_str(), Some("apps/v1"));
    assert_eq!(set["metadata"]["namespace"], namespace["metadata"]["name"]);
    let template = &set["spec"]["template"];
    assert_eq!(
        set["spec"]["selector"]["matchLabels"],
        template["metadata"]["labels"]
    );
    let pod = &template["spec"];
    assert_eq!(pod["hostPID"].as_bool(), Some(true));
    for more in ["hostNetwork", "hostIPC", "volumes"] {
        assert!(pod[more].is_badvalue(), "{more}");
    }
    let containers = pod["containers"].as_vec().unwrap();
    assert_eq!(containers.len(), 1);
    is_modest(&containers[0]["securityContext"]);
    // It is an invocation that this grtmon understands, but for the file.
    let arguments = containers[0]["args"].as_vec().unwrap();
    let mut arguments: Vec<&str> = arguments.iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(arguments.pop(), Some("/proc/1/root/usr/bin/containerd"));
    arguments.push("/no/such/program");
    understood(&arguments);
}

#[test]
fn the_debug_container_is_modest() {
    let documents = YamlLoader::load_from_str(&text("kubernetes/debug.yaml")).unwrap();
    assert_eq!(documents.len(), 1);
    is_modest(&documents[0]["securityContext"]);
}

#[test]
fn the_image_holds_one_file_and_runs_it() {
    let text = text("Containerfile");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let expected = [
        "FROM scratch",
        "ARG GRTMON=grtmon",
        "COPY ${GRTMON} /grtmon",
        "ENTRYPOINT [\"/grtmon\"]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = text("systemd/grtmon-gc@.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/usr/bin/grtmon "))
        .unwrap();
    let start = start.replace("%f", "/no/such/program");
    understood(&start.split(' ').collect::<Vec<_>>());
    for line in ["AmbientCapabilities=", "CapabilityBoundingSet="] {
        let line = format!("{line}CAP_BPF CAP_PERFMON CAP_SYS_PTRACE");
        assert!(unit.lines().any(|it| it == line), "{line}");
    }

    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        common::skip("no systemd-analyze to verify the unit");
        return;
    }
    // It looks for the program and for the manual page, which are not installed here.
    let unit: String = unit
        .lines()
        .filter(|line| !line.starts_with("Documentation="))
        .map(|line| line.replace("/usr/bin/grtmon", env!("CARGO_BIN_EXE_grtmon")) + "\n")
        .collect();
    let directory =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("unit.{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join("grtmon-gc@.service");
    fs::write(&path, unit).unwrap();
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
        .unwrap();
    fs::remove_dir_all(&directory).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("grtmon-gc@.service"), "{said}");
}

/// Fails unless all that is wrong with these arguments is the file that they name.
fn understood(arguments: &[&str]) {
    let output = common::grtmon(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("cannot open"), "{}", output.stderr);
}
