//! What a console tells of the checks of a plan, and what of it is worth reading when some failed.

use std::{collections::BTreeMap, fmt::Write};

/// Of what a check wrote, so many lines at its end are shown.
const TAIL: usize = 30;

/// Whether the check in this line of the plan passed.
pub(crate) fn passed(console: &str, line: &str) -> bool {
    console.contains(&format!("check\tok\t{line}\t"))
}

/// The failed checks with the end of what each wrote: whoever has only the end of a log has this.
pub(crate) fn of_failed(console: &str, plan: &[String]) -> String {
    let mut wrote: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut rest = Vec::new();
    for line in console.lines() {
        if let Some(check) = line.strip_prefix("check\tFAILED\t") {
            wrote.insert(check, std::mem::take(&mut rest));
        } else if line.starts_with("check\t") {
            rest.clear();
        } else {
            rest.push(line);
        }
    }
    let mut report = String::new();
    for line in plan.iter().filter(|line| !passed(console, line)) {
        let begin = format!("{line}\t");
        let failed = wrote
            .keys()
            .find(|check| check.starts_with(&begin))
            .copied();
        let (verdict, output) = match failed.and_then(|check| wrote.remove(check)) {
            Some(output) => ("failed", output),
            // The machine went down in the first of these, and had not begun the others.
            None => ("did not come to its end", std::mem::take(&mut rest)),
        };
        let _ = writeln!(report, "{verdict}: {line}");
        for line in &output[output.len().saturating_sub(TAIL)..] {
            let _ = writeln!(report, "    {line}");
        }
    }
    report
}
