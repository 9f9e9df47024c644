//! Two looks at a process are at one program.

use crate::common::{Build, Fixture, PATIENCE, Process, command, fixture, newest};

#[test]
fn growth_is_not_told_of_two_programs() {
    for build in [Build::DEFAULT, Build::STRIPPED_PIE] {
        let mut target = Fixture::start(&fixture(newest(), build), &["exec"]);
        let mut tool = command();
        tool.args(["dump", "--diff", "8s", "--pid", &target.pid_arg()]);
        let mut tool = Process::start(tool);
        // Then it waits between its two looks.
        let start = std::time::Instant::now();
        while !tool.heeds_interrupts() {
            assert!(start.elapsed() < PATIENCE, "{}", tool.stderr());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        target.process.go();
        target.process.expect("done");
        let (status, lines) = tool.wait();
        let said = tool.stderr();
        assert_eq!(status.code(), Some(1), "{said}\n{lines:?}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("by exec"), "{said}");
        assert!(lines.is_empty(), "{lines:?}");
    }
}
