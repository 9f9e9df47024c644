//! Processes and what they have started: who runs a Go program in them is meant, where a shell or an init stands in front.

use std::collections::HashMap;

use anyhow::Result;
use anyhow::bail;

use super::go_sections;
use super::process;
use super::process::ProcessId;

/// The processes among these and their descendants that run a Go program now, in the order of their numbers.
///
/// # Errors
/// One of these is not there, or none of all runs a Go program.
pub(super) fn go_processes(pids: &[i32]) -> Result<Vec<i32>> {
    for pid in pids {
        ProcessId::of(*pid)?;
    }
    let mut found = descendants(pids);
    found.retain(|pid| {
        let exe = ProcessId::of(*pid).map(|process| process.exe());
        exe.is_ok_and(|exe| go_sections::is_go_program(&exe) == Some(true))
    });
    if found.is_empty() {
        let names: Vec<String> = pids.iter().map(ToString::to_string).collect();
        bail!(
            "no Go program runs in process {} or below it that may be looked at (grtmon ps lists those that there are)",
            names.join(", ")
        );
    }
    Ok(found)
}

/// These processes and all that they have started, and what these have.
pub fn descendants(pids: &[i32]) -> Vec<i32> {
    among(pids, &process::parents())
}

/// These and all that come from them, given each process's parent.
fn among(pids: &[i32], parents: &HashMap<i32, i32>) -> Vec<i32> {
    let belongs = |pid: &i32| {
        let mut at = *pid;
        // A chain of parents that is read while processes end can come round to its beginning.
        for _ in 0..parents.len() {
            if pids.contains(&at) {
                return true;
            }
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => return false,
            }
        }
        false
    };
    let mut found: Vec<i32> = parents.keys().copied().filter(belongs).collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_belong() {
        let parents = HashMap::from([(1, 0), (10, 1), (11, 10), (12, 11), (20, 1)]);
        assert_eq!(among(&[10], &parents), [10, 11, 12]);
        assert_eq!(among(&[12, 20], &parents), [12, 20]);
    }

    #[test]
    fn a_circle_ends() {
        let parents = HashMap::from([(2, 3), (3, 2), (4, 2)]);
        assert_eq!(among(&[5], &parents), [0; 0]);
    }
}
