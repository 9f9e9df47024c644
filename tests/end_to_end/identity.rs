//! Which file a process runs, where that is not to be seen from its path: below overlays, in the roots of others, behind
//! links.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::mkfifo,
};

use crate::{
    common::{Fixture, Grtmon, Output, Process, copy_program, grtmon, require_root_or_skip, tool},
    containers::{about, rows_by_process},
    subject::{nothing_lost, number, once},
    users::refused,
};

/// Layers, each a file system of its own; gone with this.
struct Layers(PathBuf);

impl Layers {
    fn new(name: &str, layers: &[&str]) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}.{}", std::process::id()));
        for layer in layers {
            let layer = directory.join(layer);
            fs::create_dir_all(&layer).unwrap();
            mount(
                None::<&str>,
                &layer,
                Some("tmpfs"),
                MsFlags::empty(),
                None::<&str>,
            )
            .unwrap();
        }
        Self(directory)
    }

    /// Runs the fixture in a mount namespace of its own, from an overlay on a layer.
    fn run(&self, layer: &str, name: &str) -> Fixture {
        let own = self.0.join(name);
        for part in ["upper", "work", "merged"] {
            fs::create_dir_all(own.join(part)).unwrap();
        }
        let script = "mount -t overlay overlay -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work $2/merged\n\
                      cd $2/merged\nexec ./testgo goroutines";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-e", "-c", script, "sh"]);
        command.arg(self.0.join(layer)).arg(&own);
        Fixture::start_command(command)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        for entry in fs::read_dir(&self.0).unwrap().flatten() {
            let _ = umount2(&entry.path(), MntFlags::MNT_DETACH);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What an overlay passes on of a file: number, size and times.
fn looks(path: &Path) -> (u64, u64, [(i64, i64); 2]) {
    let it = fs::metadata(path).unwrap();
    let times = [(it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec())];
    (it.ino(), it.size(), times)
}

/// Two file systems made alike, down to the times of their files, and a program from each.
fn made_alike(program: &Path) -> (Layers, Fixture, Fixture) {
    let layers = Layers::new("alike", &["a", "b"]);
    let files = ["a", "b"].map(|layer| layers.0.join(layer).join("testgo"));
    for _ in 0..1000 {
        for file in &files {
            copy_program(program, file);
        }
        let open = files.each_ref().map(|file| File::open(file).unwrap());
        // In a later tick of the clock, which they share if they are quick.
        thread::sleep(Duration::from_millis(20));
        for file in &open {
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        if looks(&files[0]) == looks(&files[1]) {
            let (a, b) = (layers.run("a", "one"), layers.run("b", "two"));
            let exe =
                |fixture: &Fixture| looks(&PathBuf::from(format!("/proc/{}/exe", fixture.pid())));
            assert_eq!(exe(&a), exe(&b));
            return (layers, a, b);
        }
        for file in &files {
            fs::remove_file(file).unwrap();
        }
    }
    panic!("no two files of one moment");
}

/// Observes these, and compares with what each of them knows; no other shows itself.
fn both_are_exact(
    arguments: &[&str],
    mut one: Fixture,
    mut two: Fixture,
    mut start: impl FnMut(&[&str]) -> Grtmon,
) -> Output {
    let (first, second) = (one.pid_arg(), two.pid_arg());
    let mut all = arguments.to_vec();
    all.extend(["--output", "json", "--pid", &first, "--pid", &second]);
    let tool = start(&all);
    one.work();
    two.work();
    let output = tool.stop().success();
    nothing_lost(output.json().last().unwrap());
    let rows = rows_by_process(&output);
    let (first, second) = (u64::from(one.pid()), u64::from(two.pid()));
    assert_eq!(rows.len(), 2, "{rows:?}");
    about(rows.get(&Some(first)), &one.finish());
    about(rows.get(&Some(second)), &two.finish());
    output
}

#[test]
fn two_images_made_alike_are_two_programs() {
    once(|subject| {
        if !require_root_or_skip() {
            return;
        }
        let (layers, one, two) = made_alike(&subject.program);
        both_are_exact(&["gr"], one, two, Grtmon::start);
        drop(layers);
        // The file of one is not that of the other.
        let (_layers, mut one, mut two) = made_alike(&subject.program);
        let path = format!("/proc/{}/cwd/testgo", two.pid());
        let tool = Grtmon::start(&["gr", "--output", "json", "--binpath", &path]);
        one.work();
        two.work();
        let output = tool.stop().success();
        let preexisting = number(output.json().last().unwrap(), "alive_before");
        assert!((19..2 * 19).contains(&preexisting), "{preexisting}");
        let rows = rows_by_process(&output);
        assert_eq!(rows.len(), 1, "{rows:?}");
        about(rows.get(&Some(u64::from(two.pid()))), &two.finish());
    });
}

#[test]
fn containers_of_one_image_are_counted_once() {
    once(|subject| {
        if !require_root_or_skip() {
            return;
        }
        let layers = Layers::new("image", &["a"]);
        copy_program(&subject.program, &layers.0.join("a/testgo"));
        let (one, two) = (layers.run("a", "one"), layers.run("a", "two"));
        let output = both_are_exact(&["gr"], one, two, Grtmon::start);
        // They share their probes.
        assert!(
            output.stderr.matches("(pid").count() == 1,
            "{}",
            output.stderr
        );

        // Whether they are one file is told to CAP_SYS_ADMIN only: without it, each is observed by itself.
        let Some(setpriv) = tool("setpriv") else {
            return;
        };
        let (one, two) = (layers.run("a", "three"), layers.run("a", "four"));
        let output = both_are_exact(&["gr"], one, two, |arguments| {
            let mut command = Command::new(&setpriv);
            command
                .args(["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
                .arg(env!("CARGO_BIN_EXE_grtmon"))
                .args(arguments);
            let mut process = Process::start(command);
            process.expect_stderr("Ctrl-C to end.");
            Grtmon::of(process)
        });
        assert!(
            output.stderr.matches("(pid").count() == 2,
            "{}",
            output.stderr
        );
    });
}

#[test]
fn links_in_the_root_of_a_process_lead_to_its_own_files() {
    once(|subject| {
        let Some(chroot) = tool("chroot") else { return };
        if !require_root_or_skip() {
            return;
        }
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("own-root.{}", std::process::id()));
        fs::create_dir_all(root.join("bin")).unwrap();
        // Here /bin/true is something else.
        copy_program(&subject.program, &root.join("bin/true"));
        symlink("/bin/true", root.join("server")).unwrap();
        let mut command = Command::new(chroot);
        command.arg(&root).args(["/server", "churn", "-n", "1009"]);
        let mut target = Fixture::start_command(command);
        let path = format!("/proc/{}/root/server", target.pid());
        let tool = Grtmon::start(&["gr", "--output", "json", "--binpath", &path]);
        target.work();
        let output = tool.stop().success();
        target.finish();
        assert!(number(output.json().last().unwrap(), "exited") >= 1009);
        fs::remove_dir_all(&root).unwrap();
    });
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let directory = std::env::temp_dir().join(format!("grtmon-fifo-dir.{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let fifo = directory.join("fifo");
    mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let link = directory.join("link");
    symlink("fifo", &link).unwrap();
    for (path, word) in [
        (fifo.as_path(), "a FIFO"),
        (&link, "a FIFO"),
        (Path::new("/dev/zero"), "a device"),
        (&directory, "a directory"),
    ] {
        let path = path.to_str().unwrap();
        for arguments in [
            ["gr", "--binpath", path],
            ["doctor", "--binpath", path],
            ["dump", "--core", path],
        ] {
            refused(&grtmon(&arguments), &[path, word, "not a file"]);
        }
    }
    fs::remove_dir_all(&directory).unwrap();
}
