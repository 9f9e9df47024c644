//! The size of every BPF program, as the kernel tells it, against tests/programs.txt: whoever makes one longer sees it
//! in review. `GRTMON_PROGRAMS=write cargo test --test programs` writes the file anew.
//!
//! The figures depend on the compiler and on the kernel's verifier, which the file names; elsewhere they are only about
//! right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unsafe_code,
    reason = "test code"
)]

mod common;

use std::{
    collections::BTreeMap,
    ffi::c_void,
    fmt::Write,
    fs, io,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd},
    process::Command,
};

use grtmon::bpf;
use libbpf_rs::{
    Object, OpenObject, libbpf_sys,
    skel::{OpenSkel, Skel, SkelBuilder},
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs.txt");

/// All programs for `uprobe.multi`; those for perf events are the same code.
fn choose(object: &mut OpenObject) {
    for mut program in object.progs_mut() {
        let twin = program.name().to_str().unwrap().ends_with("_perf");
        program.set_autoload(!twin);
    }
}

/// What the kernel tells of a loaded program (`struct bpf_prog_info`, include/uapi/linux/bpf.h).
fn info(program: impl AsFd) -> libbpf_sys::bpf_prog_info {
    let mut info = libbpf_sys::bpf_prog_info::default();
    let mut size = u32::try_from(size_of_val(&info)).unwrap();
    // SAFETY: the kernel fills in at most `size` bytes of `info`, which is all of it and all integers.
    let error = unsafe {
        libbpf_sys::bpf_obj_get_info_by_fd(
            program.as_fd().as_raw_fd(),
            (&raw mut info).cast::<c_void>(),
            &raw mut size,
        )
    };
    assert_eq!(error, 0, "{}", io::Error::last_os_error());
    info
}

fn add(text: &mut String, command: &str, object: &Object) {
    for program in object.progs().filter(|it| it.autoload()) {
        let info = info(&program);
        writeln!(
            text,
            "{command:<13} {:<19} {:>5} {:>5}",
            program.name().to_str().unwrap(),
            info.verified_insns,
            info.jited_prog_len
        )
        .unwrap();
    }
}

/// What is told apart.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Nothing,
    Fn,
    Pid,
}

/// The goroutine programs as one command configures them.
fn goroutines(text: &mut String, command: &str, seq: bool, by: By) {
    let mut object = MaybeUninit::uninit();
    let mut open = bpf::gr::GrSkelBuilder::default().open(&mut object).unwrap();
    let rodata = open.maps.rodata_data.as_mut().unwrap();
    rodata.gr_cfg.origin_known = 1;
    rodata.gr_cfg.has_parent = 1;
    rodata.gr_cfg.seq = seq.into();
    rodata.gr_cfg.by_fn = (by == By::Fn).into();
    rodata.gr_cfg.by_process = (by == By::Pid).into();
    rodata.go_config.only = 1;
    choose(open.open_object_mut());
    add(text, command, open.load().unwrap().object());
}

/// The programs of `sched` as its options configure them.
fn states(text: &mut String, command: &str, by: By, stacks: bool) {
    let mut object = MaybeUninit::uninit();
    let mut open = bpf::sched::SchedSkelBuilder::default()
        .open(&mut object)
        .unwrap();
    let rodata = open.maps.rodata_data.as_mut().unwrap();
    rodata.sched_cfg.sample = 1;
    rodata.sched_cfg.no_p_begin = 1;
    rodata.sched_cfg.by_fn = (by == By::Fn).into();
    rodata.sched_cfg.by_process = (by == By::Pid).into();
    rodata.sched_cfg.stacks = stacks.into();
    rodata.go_config.only = 1;
    choose(open.open_object_mut());
    add(text, command, open.load().unwrap().object());
}

/// The programs of `gm`.
fn allocations(text: &mut String, command: &str, by: By) {
    let mut object = MaybeUninit::uninit();
    let mut open = bpf::gm::GmSkelBuilder::default().open(&mut object).unwrap();
    let rodata = open.maps.rodata_data.as_mut().unwrap();
    rodata.gm_cfg.header_above = 512;
    rodata.gm_cfg.header_bytes = 8;
    rodata.gm_cfg.by_process = (by == By::Pid).into();
    rodata.go_config.only = 1;
    choose(open.open_object_mut());
    add(text, command, open.load().unwrap().object());
}

fn measured() -> String {
    let mut text = String::new();
    goroutines(&mut text, "gr", false, By::Nothing);
    goroutines(&mut text, "gr seq", true, By::Nothing);
    goroutines(&mut text, "gr seq by fn", true, By::Fn);
    goroutines(&mut text, "gr seq by pid", true, By::Pid);

    states(&mut text, "sched", By::Nothing, false);
    states(&mut text, "sched by fn", By::Fn, false);
    states(&mut text, "sched by pid", By::Pid, false);
    states(&mut text, "sched stacks", By::Nothing, true);

    allocations(&mut text, "gm", By::Nothing);
    allocations(&mut text, "gm by pid", By::Pid);

    let mut object = MaybeUninit::uninit();
    let mut open = bpf::gc::GcSkelBuilder::default().open(&mut object).unwrap();
    let rodata = open.maps.rodata_data.as_mut().unwrap();
    rodata.gc_cfg.start_args = 2;
    rodata.gc_cfg.stop_args = 1;
    rodata.gc_cfg.one_process = 1;
    rodata.go_config.only = 1;
    choose(open.open_object_mut());
    add(&mut text, "gc", open.load().unwrap().object());
    text
}

/// What the figures depend on, in the form of the file's first lines.
fn heading() -> String {
    let first = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let release = first("uname", "-r");
    let kernel: Vec<&str> = release.split('.').take(2).collect();
    format!(
        "# Linux {}, {}\n# command, program, instructions verified, bytes of machine code\n",
        kernel.join("."),
        first("clang", "--version")
    )
}

/// Both figures by command and program.
type Figures = BTreeMap<String, [usize; 2]>;

fn figures(text: &str) -> Figures {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figures = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (program, figures) = words.split_last_chunk::<2>().unwrap();
        (program.join(" "), figures.map(|it| it.parse().unwrap()))
    });
    figures.collect()
}

#[test]
fn programs_have_the_recorded_sizes() {
    if !common::require_capabilities_or_skip() {
        return;
    }
    let now = heading() + &measured();
    if std::env::var("GRTMON_PROGRAMS").is_ok_and(|it| it == "write") {
        fs::write(FILE, &now).unwrap();
    }
    let recorded = fs::read_to_string(FILE).unwrap();
    if recorded.starts_with(&heading()) {
        assert_eq!(recorded, now, "write it anew if this is what you want");
    }
    // With another kernel or compiler the same programs are about as long.
    let (recorded, now) = (figures(&recorded), figures(&now));
    let names = |figures: &Figures| figures.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&recorded), names(&now));
    for (program, now) in now {
        for (was, is) in recorded[&program].iter().zip(now) {
            let about = was / 2..=was * 2;
            assert!(
                about.contains(&is),
                "{program}: {is}, where {was} is recorded"
            );
        }
    }
}
