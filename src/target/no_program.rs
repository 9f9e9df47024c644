//! Why there is no binary of a process that is there.

use procfs::process::Process;

use super::texts;

/// PF_KTHREAD (include/linux/sched.h).
const KERNEL_THREAD: u32 = 0x0020_0000;

/// What it is that runs no program, by what the kernel tells everybody.
pub(super) fn reason(pid: i32) -> String {
    let stat = Process::new(pid).and_then(|it| it.stat());
    match stat {
        Ok(stat) if stat.flags & KERNEL_THREAD != 0 => {
            "it is a thread of the kernel, and runs no program".to_owned()
        }
        Ok(stat) if stat.num_threads > 1 => {
            "its main thread has ended, and only that one names its program".to_owned()
        }
        Ok(stat) if matches!(stat.state, 'Z' | 'X' | 'x') => {
            let parent = stat.ppid;
            let name = texts::status(parent).map(|it| format!(", {}", it.name));
            format!(
                "it has ended, and waits for its parent (process {parent}{}) to take notice",
                name.unwrap_or_default()
            )
        }
        _ => "it has just ended".to_owned(),
    }
}
