//! Folded stacks, a line each, as flamegraph.pl, inferno and speedscope read them: `main.main;main.work 42`.

use std::collections::BTreeMap;
use std::io::Write;

use crate::model::foreign;
use crate::model::profile::Profile;

/// What one of the profile's types counts on each stack, outermost function first.
pub fn folded(out: &mut Vec<u8>, profile: &Profile, value: usize) {
    for (stack, count) in stacks(profile, value) {
        let _ = writeln!(out, "{stack} {count}");
    }
}

/// By stacks, written so.
pub(super) fn stacks(profile: &Profile, value: usize) -> BTreeMap<String, u64> {
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    for sample in profile.samples() {
        let count = sample.values.get(value).copied().unwrap_or(0);
        if count == 0 {
            continue;
        }
        let names = profile.lines(&sample.stack).rev();
        let names: Vec<String> = names.map(|it| name(&it.1.name)).collect();
        let sum = stacks.entry(names.join(";")).or_default();
        *sum = sum.saturating_add(count);
    }
    stacks
}

/// A semicolon ends a name there, and names have them: between the fields of a structure.
fn name(name: &str) -> String {
    foreign::shown(name).replace(';', ",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::Sample;
    use crate::model::profile::sample;

    #[test]
    fn outermost_first() {
        let mut profile = sample::heap();
        let odd = profile.words("a;b\n\u{1b}[31m");
        profile.add(Sample {
            stack: vec![odd],
            values: vec![1, 5],
            labels: Vec::new(),
        });
        let mut out = Vec::new();
        folded(&mut out, &profile, 1);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a,b\\n\\x1b[31m 5\n\
             main.main;main.work;main.inner 1000\n\
             main.main;main.work;main.inner;main.leaf 3000\n"
        );
    }
}
