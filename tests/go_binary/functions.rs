//! Functions, source lines and inlining.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use grtmon::go::{Binary, Frame, Function};

use crate::{oracles, oracles_of_all_machines, parse};

/// The functions as lines of address and name.
pub(crate) fn table(binary: &Binary) -> BTreeSet<String> {
    binary
        .functions()
        .iter()
        .map(|f| format!("{:x} {}", f.entry, short(f.name)))
        .collect()
}

/// A name without what is in brackets: nm and the runtime leave out type arguments where the function table has them,
/// or the reverse, depending on the version; and the one spells middle dots that the other does not.
fn short(symbol: &str) -> String {
    let symbol = symbol.replace('·', ".");
    match (symbol.find('['), symbol.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}[...]{}", &symbol[..open], &symbol[close + 1..])
        }
        _ => symbol,
    }
}

/// [`short`] for each of some fields.
fn short_all(fields: &str) -> String {
    fields.split('\t').map(short).collect::<Vec<_>>().join("\t")
}

/// The functions are those that `go tool nm` lists.
#[test]
fn functions_are_those_of_go_tool_nm() {
    for (toolchain, build, path) in oracles_of_all_machines() {
        if build.strip {
            continue;
        }
        let binary = parse(&path);
        let found = table(&binary);
        assert_eq!(
            found.len(),
            binary.functions().len(),
            "{}: an entry is damaged",
            path.display()
        );

        let output = toolchain
            .command()
            .args(["tool", "nm"])
            .arg(&path)
            .output()
            .unwrap();
        let symbols: BTreeSet<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| {
                let (address, rest) = line.trim_start().split_once(' ')?;
                let name = rest
                    .strip_prefix("T ")
                    .or_else(|| rest.strip_prefix("t "))?;
                let pc = u64::from_str_radix(address, 16).unwrap();
                let marks = ["runtime.text", "runtime.etext"];
                let is_mark = marks.contains(&name) || name.contains("(.text");
                (binary.text().contains(&pc) && !is_mark).then(|| {
                    let name = name.strip_suffix(".abi0").unwrap_or(name);
                    format!("{pc:x} {}", short(name))
                })
            })
            .collect();
        let missing: Vec<_> = symbols.difference(&found).take(5).collect();
        let extra: Vec<_> = found.difference(&symbols).take(5).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{}: missing {missing:?}, extra {extra:?}",
            path.display()
        );
        assert!(found.len() > 3000);
    }
}

/// Every function is found by its name and by its addresses; nothing is found outside.
#[test]
fn functions_are_found_by_name_and_address() {
    for (_, _, path) in oracles_of_all_machines() {
        let binary = parse(&path);
        let functions = binary.functions();
        let all: Vec<Function<'_>> = functions.iter().collect();
        assert!(all.is_sorted_by_key(|f| f.entry));
        for f in &all {
            assert!(
                functions.by_name(f.name).contains(f),
                "{}: {f:?}",
                path.display()
            );
            if f.end > f.entry {
                assert_eq!(functions.at(f.entry), Some(*f));
                assert_eq!(functions.at(f.end - 1), Some(*f));
                assert_eq!(
                    f.code(binary.image()).unwrap().len() as u64,
                    f.end - f.entry
                );
            }
        }
        assert_eq!(binary.text().start, all[0].entry);
        assert!(
            functions.at(all[0].entry - 1).is_none()
                && functions.at(all[all.len() - 1].end).is_none()
        );
        assert_eq!(functions.at(u64::MAX), None);
        assert!(functions.by_name("main.nobody").is_empty());
        // A Go function and the wrapper through which assembly calls it.
        let both = functions.by_name("runtime.newproc");
        assert_eq!(both.len(), 2, "{}: {both:?}", path.display());
        // On a fresh table, so that no look-up before has made the exact index.
        for name in ["main.main", "main.inner", "main.nobody"] {
            let names: Vec<_> = all.iter().filter(|f| f.name == name).copied().collect();
            assert_eq!(
                parse(&path).functions().by_name(name).len(),
                names.len(),
                "{}: {name}",
                path.display()
            );
        }
    }
}

/// Source lines and inlined functions are those that the program's own runtime tells.
#[test]
fn lines_and_inlining_are_those_of_the_runtime() {
    for (_, _, path) in oracles() {
        let binary = parse(&path);
        let functions = binary.functions();
        let main = functions.by_name("main.main")[0];
        let mut question = format!("{:x}\n", main.entry);
        // The runtime says nothing of the first function: it takes its name, which is first in the table of names, for
        // none.
        for f in functions.iter().skip(1) {
            // Some places of each function, no two functions alike; but not the last byte, which the runtime takes for
            // the next function, as it asks for the return address.
            let step = (f.entry / 16 % 29 + 7) as usize;
            (f.entry..f.end.saturating_sub(1))
                .step_by(step)
                .take(6)
                .for_each(|pc| writeln!(question, "{pc:x}").unwrap());
        }
        let mut child = Command::new(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(question.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success());

        let (mut places, mut inlined) = (0, 0);
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let (kind, rest) = line.split_once('\t').unwrap();
            let (pc, said) = rest.split_once('\t').unwrap();
            let pc = u64::from_str_radix(pc, 16).unwrap();
            let frames = functions.frames(pc);
            let shown = |frames: &[Frame<'_>]| {
                let one = |f: &Frame<'_>| {
                    // What the runtime calls a place without source line: padding between functions.
                    let file = if f.file.is_empty() { "?" } else { f.file };
                    format!("{}\t{file}\t{}", short(f.function), f.line)
                };
                frames.iter().map(one).collect::<Vec<_>>().join("\t")
            };
            assert!(
                frames.last().is_some_and(|f| !f.inlined)
                    && frames.iter().filter(|f| !f.inlined).count() == 1
            );
            let said = short_all(said);
            if kind == "pc" {
                assert_eq!(shown(&frames[..1]), said, "{} at {pc:x}", path.display());
                places += 1;
                continue;
            }
            // The runtime leaves out wrappers that the compiler has made. If that is the function itself, its caller
            // follows in what the runtime says.
            let is_wrapper = |f: &Frame<'_>| {
                f.file == "<autogenerated>"
                    || [".gowrap", ".deferwrap"]
                        .iter()
                        .any(|w| f.function.contains(w))
            };
            let kept: Vec<_> = frames.iter().filter(|f| !is_wrapper(f)).copied().collect();
            let kept = if frames.last().is_some_and(is_wrapper) {
                shown(&kept) + "\t"
            } else {
                shown(&kept)
            };
            assert!(
                shown(&frames) == said || (said.clone() + "\t").starts_with(&kept),
                "{} at {pc:x}: {}, not {said}",
                path.display(),
                shown(&frames)
            );
            inlined += usize::from(frames.len() > 1);
        }
        assert!(
            places > 10_000 && inlined > 300,
            "{}: {places} places, {inlined} inlined",
            path.display()
        );
    }
}
