//! Files that shrink, and files that are not as large as they say.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use crate::common::{Build, Fixture, Grtmon, copy_program, fixture, newest};
use crate::{ROOM, ended_in_words, grtmon_within, refused, scratch};

/// The file is truncated at one moment or another while it is read, as a build or `cp` does.
#[test]
fn files_that_are_truncated_while_they_are_read() {
    let whole = fixture(newest(), Build::DEFAULT);
    let path = scratch("truncated");
    let mut changed = 0;
    for round in 0..24_u64 {
        copy_program(&whole, &path);
        let tool = Grtmon::start_silent(&["doctor", "--binpath", path.to_str().unwrap()]);
        thread::sleep(Duration::from_millis(round * 3));
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(if round % 2 == 0 { 0 } else { 1 << 20 })
            .unwrap();
        let output = tool.end(crate::WATCHDOG);
        ended_in_words(&output);
        changed += u32::from(output.stderr.contains("changed while it was read"));
    }
    eprintln!("{changed} of 24 were truncated while they were read");
    fs::remove_file(&path).unwrap();
}

/// Makes one of a program's headers that it can do without into that of a segment which begins behind all others and has
/// so many bytes, all of them in a hole of the file.
fn with_hole(path: &Path, size: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let word = |at: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_le_bytes(bytes)
    };
    let start = file.metadata().unwrap().len().next_multiple_of(1 << 16);
    let headers = (0..word(56) & 0xffff).map(|number| word(32) + number * 56);
    // PT_NOTE
    let spare = headers.into_iter().find(|at| word(*at) & 0xffff_ffff == 4);
    let header = [1 | 4 << 32, start, 0x1000_0000_0000, 0, size, size, 4096];
    let bytes: Vec<u8> = header
        .iter()
        .flat_map(|word: &u64| word.to_le_bytes())
        .collect();
    file.write_all_at(&bytes, spare.unwrap()).unwrap();
    file.set_len(start + size).unwrap();
}

/// Nobody waits until a hole of some terabytes has been looked through.
#[test]
fn files_that_are_mostly_empty() {
    let path = scratch("sparse");
    for size in [1 << 30, 4_u64 << 40] {
        copy_program(&fixture(newest(), Build::DEFAULT), &path);
        with_hole(&path, size);
        // Without sections, so that only looking through it would tell what it is.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0; 8], 40).unwrap();
        file.write_all_at(&[0; 4], 60).unwrap();
        drop(file);
        let target = Fixture::start(&path, &["churn"]);
        let path = path.to_str().unwrap();
        for command in ["gr", "doctor", "gm"] {
            let output = grtmon_within(8 * size, &[command, "--binpath", path]);
            refused(&output, &[path, "no Go program"]);
        }
        let output = grtmon_within(8 * size, &["ps", "--output", "json"]).success();
        let pid = target.pid();
        let rows = output.json();
        let row = rows.iter().find(|row| row["pid"] == pid).unwrap();
        assert!(row["goroutines"].is_null(), "{row}");
        drop(target);
        fs::remove_file(path).unwrap();
    }
}

/// A section that claims to have a petabyte, decompressed.
#[test]
fn sections_that_claim_a_petabyte() {
    let path = scratch("petabyte");
    copy_program(&fixture(newest(), Build::DEFAULT), &path);
    let mut file = fs::read(&path).unwrap();
    let image = grtmon::go::Image::parse(file.clone()).unwrap();
    let compressed = image.sections().iter().filter(|it| it.flags & 1 << 11 != 0);
    let mut count = 0;
    for section in compressed {
        let at = usize::try_from(section.offset).unwrap() + 8;
        file[at..at + 8].copy_from_slice(&(1_u64 << 50).to_le_bytes());
        count += 1;
    }
    assert!(count > 2, "{count}");
    fs::write(&path, &file).unwrap();
    let output = grtmon_within(ROOM, &["doctor", "--binpath", path.to_str().unwrap()]);
    ended_in_words(&output.success());
    fs::remove_file(&path).unwrap();
}

/// A core dump that claims much and has little.
#[test]
fn core_dumps_that_are_cut_off_or_empty() {
    let path = scratch("core");
    let core = File::create(&path).unwrap();
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    for word in [4 | 62 << 16 | 1 << 32, 0, 64, 0, 64 << 32 | 56 << 48, 65535] {
        header.extend(u64::to_le_bytes(word));
    }
    core.write_all_at(&header, 0).unwrap();
    for size in [0, 64, 1 << 20, 4_u64 << 40] {
        core.set_len(size.max(64)).unwrap();
        let output = grtmon_within(ROOM + size, &["dump", "--core", path.to_str().unwrap()]);
        refused(&output, &[]);
    }
    fs::remove_file(&path).unwrap();
}

/// What is not a regular file is refused before it is opened.
#[test]
fn pipes_and_devices() {
    let pipe = scratch("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    fs::set_permissions(&pipe, fs::Permissions::from_mode(0o700)).unwrap();
    for path in [pipe.to_str().unwrap(), "/dev/zero", "/dev/full"] {
        for arguments in [["doctor", "--binpath", path], ["dump", "--core", path]] {
            refused(&grtmon_within(ROOM, &arguments), &[path]);
        }
    }
    fs::remove_file(&pipe).unwrap();
}
