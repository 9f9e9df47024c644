//! What there is to say of the code at sites.

use crate::go::site::Site;
use crate::go::site::site_code::Found;
use crate::target::Target;
use crate::target::code_in_memory::At;
use crate::target::code_in_memory::CodeFile;
use crate::target::process::ProcessId;
use crate::target::tracer::Tracer;

/// Sites named; of the others there is a count.
pub(super) const SHOWN: usize = 5;

/// What is to be said of the code of one process at these sites, and whether it is as it should be.
pub fn describe(target: &Target, process: &ProcessId, sites: &[Site]) -> (Vec<String>, bool) {
    let pid = process.pid;
    let tracer = Tracer::of(pid).filter(Tracer::is_debugger);
    let code = match CodeFile::of(target).look(process, sites, true) {
        Ok(Some(code)) => code,
        Ok(None) => {
            return (
                vec![format!("process {pid} is ending, or has just begun")],
                true,
            );
        }
        Err(why) => return (vec![format!("not compared: {why:#}")], true),
    };
    let mut lines = Vec::new();
    let mut others = 0;
    let mut elsewhere = None;
    for (site, at) in sites.iter().zip(code.found) {
        match at {
            At::Elsewhere(address) => elsewhere = elsewhere.or(Some(not_from_file(pid, address))),
            At::File(found) => {
                others += usize::from(found == Found::Probe && tracer.is_none());
                lines.extend(obstacle(pid, site, found, tracer.as_ref()));
            }
        }
    }
    if let Some(why) = elsewhere {
        lines.insert(0, why);
    }
    let is_fine = lines.is_empty();
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("and at {more} more"));
    }
    if is_fine {
        let code = as_in_the_file(sites.len(), others);
        lines.push(format!("process {pid}: {code}"));
    }
    if let Some(tracer) = tracer {
        lines.push(format!("process {pid} is traced by {tracer}"));
    }
    (lines, is_fine)
}

/// The code at so many sites is that of the file, but for other probes.
fn as_in_the_file(sites: usize, probes: usize) -> String {
    let at = match sites {
        1 => "its site".to_owned(),
        _ => format!("all {sites} sites"),
    };
    let besides = match (probes, sites) {
        (0, _) => String::new(),
        (_, 1) => ", with another probe there".to_owned(),
        _ => format!(", with other probes at {probes} of them"),
    };
    format!("as in the file at {at}{besides}")
}

pub(super) fn not_from_file(pid: i32, address: u64) -> String {
    format!(
        "the code of process {pid} at {address:x} does not come from its file: probes cannot be seen"
    )
}

/// Why there can be no probe at a site of a process, given what memory holds there.
pub(super) fn obstacle(
    pid: i32,
    site: &Site,
    found: Found,
    debugger: Option<&Tracer>,
) -> Option<String> {
    let function = &site.function;
    match (found, debugger) {
        (Found::AsDecoded, _) | (Found::Probe, None) => None,
        (Found::Probe | Found::Breakpoint, Some(tracer)) => Some(format!(
            "process {pid} has a breakpoint at {function}, of {tracer} it seems"
        )),
        (Found::Breakpoint, None) => Some(format!("process {pid} has a breakpoint at {function}")),
        (Found::Changed(_), _) => Some(format!(
            "the code of process {pid} at {function} is not the file's"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_probe_of_anybody_stands_in_the_way() {
        let said = |found| obstacle(7, &Site::sample(1), found, None);
        assert_eq!(said(Found::AsDecoded), None);
        assert_eq!(said(Found::Probe), None);
        let changed = said(Found::Changed(0)).unwrap();
        assert_eq!(changed, "the code of process 7 at main.f is not the file's");
        assert!(
            said(Found::Breakpoint)
                .unwrap()
                .contains("breakpoint at main.f")
        );
    }

    #[test]
    fn one_site_is_one() {
        assert_eq!(as_in_the_file(1, 0), "as in the file at its site");
        assert_eq!(
            as_in_the_file(1, 1),
            "as in the file at its site, with another probe there"
        );
        assert_eq!(
            as_in_the_file(84, 3),
            "as in the file at all 84 sites, with other probes at 3 of them"
        );
    }
}
