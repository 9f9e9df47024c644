//! What the virtual machines run, built here: grtmon, the test executables and the first process, linked statically.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use crate::{cells::Arch, initramfs::Initramfs, results::whole_matrix};

/// The tests whose checks run there; the last two only in the whole matrix, for the sake of the time to build them.
const TESTS: [&str; 6] = ["counters", "dump", "end_to_end", "gc", "sched", "top"];

fn tests() -> &'static [&'static str] {
    if whole_matrix() { &TESTS } else { &TESTS[..4] }
}

/// Executables of one architecture, without debugging information.
#[derive(Debug, Clone)]
pub(crate) struct GuestFiles(Vec<(String, PathBuf)>);

impl GuestFiles {
    /// Built once for all tests of this process.
    pub(crate) fn of(arch: &Arch) -> Self {
        static BUILT: Mutex<BTreeMap<&str, GuestFiles>> = Mutex::new(BTreeMap::new());
        let mut built = BUILT.lock().unwrap_or_else(|it| it.into_inner());
        built
            .entry(arch.rust)
            .or_insert_with(|| Self::build(arch))
            .clone()
    }

    fn build(arch: &Arch) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/static.sh");
        let mut command = Command::new(script);
        command.args([arch.rust, "--profile", "dev", "--example", "guest"]);
        command.env("CARGO_PROFILE_DEV_DEBUG", "0"); // it would be stripped
        for test in tests() {
            command.args(["--test", test]);
        }
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{script} {} failed", arch.rust);
        let grtmon = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).join(&grtmon);
        let directory = built.parent().unwrap();

        let mut found = vec![
            ("init".to_owned(), directory.join("examples/guest")),
            ("grtmon".to_owned(), built.clone()),
        ];
        for test in tests() {
            found.push(((*test).to_owned(), newest(&directory.join("deps"), test)));
        }
        let stripped = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("guest-{}", arch.rust));
        fs::create_dir_all(&stripped).unwrap();
        for (name, file) in &mut found {
            let to = stripped.join(&*name);
            let strip = Command::new(arch.strip)
                .arg("-o")
                .args([&to, &*file])
                .status();
            assert!(
                strip.is_ok_and(|it| it.success()),
                "cannot strip {}",
                file.display()
            );
            *file = to;
        }
        Self(found)
    }

    /// Puts them into the root of the file system.
    pub(crate) fn put_into(&self, initramfs: &mut Initramfs) {
        for (name, file) in &self.0 {
            initramfs.executable(name, file);
        }
    }
}

/// The executable of this test that was built last: its name ends in a number that cargo chooses.
fn newest(directory: &Path, test: &str) -> PathBuf {
    let begin = format!("{test}-");
    fs::read_dir(directory)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(&begin) && path.extension().is_none()
        })
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .unwrap_or_else(|| panic!("{test} was not built"))
}
