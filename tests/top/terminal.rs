//! The view on a real pseudo-terminal: keys, sizes, ends of all kinds.

use nix::sys::signal::Signal;

use crate::common::{Build, Fixture, copy_program, fixture, newest, require_capabilities_or_skip};
use crate::screen::Screen;

fn target(mode: &[&str]) -> Fixture {
    Fixture::start(&fixture(newest(), Build::STRIPPED_PIE), mode)
}

fn top(target: &Fixture) -> Screen {
    let screen = Screen::grtmon(&["top", "--interval", "100ms", "--pid", &target.pid_arg()]);
    screen.shows(&["GOROUTINES", "no probe set", "STATES of "]);
    screen
}

#[test]
fn keys_are_obeyed_until_one_quits() {
    let target = target(&["dump"]);
    let mut screen = top(&target);
    screen.press("?", &["any key goes back"]);
    screen.press("x", &["GOROUTINES"]);
    screen.press("/main", &["filter:"]);
    screen.press("\r", &["[main]"]);
    screen.press("\r", &["goroutine", "lines 1-"]);
    screen.press("\x1b", &["GOROUTINES"]);
    screen.press("3", &["starts it."]);
    screen.press("1p", &["paused"]);
    screen.resize(140, 45);
    screen.shows(&["CREATED BY"]);
    screen.resize(40, 10);
    screen.shows(&["This terminal is 40×10."]);
    screen.type_in("q");
    let (status, after) = screen.end();
    assert!(status.success(), "{status}: {after:?}");
}

#[test]
fn the_terminal_is_given_back_after_a_signal() {
    let target = target(&["churn"]);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let screen = top(&target);
        screen.signal(signal);
        let (status, after) = screen.end();
        assert!(status.success(), "{signal}: {status}: {after:?}");
    }
    let mut screen = top(&target);
    screen.type_in("\x03");
    assert!(screen.end().0.success());
}

#[test]
fn a_process_that_ends_stays_in_sight() {
    let target = target(&["churn"]);
    let pid = target.pid_arg();
    let mut screen = top(&target);
    drop(target);
    screen.shows(&[&format!("process {pid} has ended")]);
    screen.press("\r", &["has ended"]);
    screen.type_in("q");
    assert!(screen.end().0.success());
}

#[test]
fn a_process_that_replaces_itself_can_be_opened_anew() {
    let mut target = target(&["exec"]);
    let mut screen = top(&target);
    target.process.go();
    screen.shows(&["has replaced itself by exec"]);
    // It goes on doing so: there is always something to be said, and never a crash.
    for _ in 0..5 {
        screen.type_in("o");
    }
    screen.type_in("q");
    let (status, after) = screen.end();
    assert!(status.code().is_some(), "{status}: {after:?}");
}

#[test]
fn probes_are_set_and_taken_away() {
    if !require_capabilities_or_skip() {
        return;
    }
    let mut target = target(&["goroutines"]);
    let mut screen = top(&target);
    screen.press("l", &["probes are set; l takes them away"]);
    screen.shows(&["hits/s"]);
    target.work();
    // One of the fixture's many functions.
    screen.press("/named$\r", &["ENDED", "main.named"]);
    screen.press("g", &["probes are set; g takes them away"]);
    screen.press("g", &["g starts it."]);
    screen.type_in("q");
    assert!(screen.end().0.success());
    target.finish();
}

#[test]
fn one_process_is_chosen_among_all() {
    let target = target(&["churn"]);
    let pid = target.pid_arg();
    let mut screen = Screen::grtmon(&["top", "--interval", "100ms"]);
    screen.shows(&["Go processes", &pid]);
    screen.press(&format!("/{pid}"), &["filter:"]);
    screen.press("\r", &[&format!("[{pid}]")]);
    screen.press("\r", &["GOROUTINES", &format!("pid {pid}")]);
    screen.press("\x1b", &["Go processes"]);
    screen.type_in("q");
    assert!(screen.end().0.success());
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody() {
    let target = target(&["dump"]);
    let pid = target.pid_arg();
    let arguments = ["top", "--interval", "100ms", "--duration", "5s", "--pid"];
    let screen = Screen::grtmon(&[&arguments[..], &[&pid]].concat());
    screen.shows(&["GOROUTINES", "no probe set", "STATES of "]);
    screen.stop_output();
    assert!(screen.exit().success());
}

/// Set for the program that is to panic.
const PANICS: &str = "GRTMON_TEST_PANICS";

/// Not a test of its own: what the next one starts, on a terminal.
#[test]
fn a_view_that_panics() {
    if std::env::var_os(PANICS).is_none() {
        return;
    }
    let mut screen = grtmon::tui::terminal::Screen::open().unwrap();
    screen.draw(&grtmon::tui::state::State::default()).unwrap();
    // On another thread, as whoever reads keys or runs probes is.
    std::thread::spawn(|| panic!("as it was told to"))
        .join()
        .unwrap();
}

#[test]
fn the_terminal_is_given_back_after_a_panic() {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "terminal::a_view_that_panics", "--nocapture"];
    let screen = Screen::start(program.to_str().unwrap(), &arguments, &[(PANICS, "1")]);
    let (status, after) = screen.end();
    assert_eq!(status.code(), Some(101), "{after:?}");
    // What happened can be read: it comes when the terminal is as it was.
    assert!(after.contains("as it was told to"), "{after:?}");
}

/// An upgrade by rename while its probes are set: they stay in the program that runs. Then one by copy when nobody runs it
/// any more: what is started from it has none.
#[test]
fn a_program_that_is_replaced_comes_to_no_harm() {
    if !require_capabilities_or_skip() {
        return;
    }
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("top-replaced.{}", std::process::id()));
    let (old, new) = (
        fixture(newest(), Build::STRIPPED_PIE),
        fixture(newest(), Build::DEFAULT),
    );
    copy_program(&old, &file);
    let mut target = Fixture::start(&file, &["goroutines"]);
    let pid = target.pid_arg();
    let mut screen = top(&target);
    screen.press("l", &["probes are set; l takes them away"]);
    let beside = file.with_extension("new");
    copy_program(&new, &beside);
    std::fs::rename(&beside, &file).unwrap();
    let mut next = Fixture::start(&file, &["goroutines"]);
    target.work();
    next.work();
    // A hundred of the old one, and none of the new.
    screen.press("/named$\r", &["ENDED", "main.named"]);
    next.finish();
    target.finish();
    screen.shows(&[&format!("process {pid} has ended")]);
    for program in [&old, &new] {
        copy_program(program, &file);
        let mut next = Fixture::start(&file, &["goroutines"]);
        next.work();
        next.finish();
    }
    screen.type_in("q");
    let (status, after) = screen.end();
    assert!(status.success(), "{status}: {after:?}");
    std::fs::remove_file(&file).unwrap();
}
