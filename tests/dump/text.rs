//! Goroutines in the text form of Go, taken apart.

use std::collections::BTreeMap;

/// One goroutine of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goroutine {
    /// What stands in brackets.
    pub(crate) state: String,
    /// Each frame: function without arguments, and place.
    pub(crate) frames: Vec<(String, String)>,
    /// How many frames the text leaves out after the first ones, and after how many; 0 if it does not say.
    pub(crate) elided: Option<(usize, usize)>,
    /// `created by …` and its place.
    pub(crate) created: Option<(String, String)>,
}

impl Goroutine {
    /// How many frames there are, those left out included.
    pub(crate) fn depth(&self) -> usize {
        self.frames.len() + self.elided.map_or(0, |(_, count)| count)
    }
}

/// The goroutines of a text, by number.
pub(crate) fn parse(text: &str) -> BTreeMap<u64, Goroutine> {
    let blocks = text.trim().split("\n\n").filter(|block| !block.is_empty());
    let parsed: Vec<_> = blocks.map(block).collect();
    let count = parsed.len();
    let by_number: BTreeMap<_, _> = parsed.into_iter().collect();
    assert_eq!(by_number.len(), count, "a goroutine comes twice:\n{text}");
    by_number
}

fn block(text: &str) -> (u64, Goroutine) {
    let mut lines = text.lines();
    let head = lines.next().unwrap();
    let (number, state) = head
        .strip_prefix("goroutine ")
        .and_then(|rest| rest.strip_suffix("]:"))
        .and_then(|rest| rest.split_once(" ["))
        .unwrap_or_else(|| panic!("not a goroutine: {head}"));
    let mut goroutine = Goroutine {
        state: state.to_owned(),
        frames: Vec::new(),
        elided: None,
        created: None,
    };
    while let Some(line) = lines.next() {
        if line.starts_with('\t') {
            continue; // no stack
        }
        if let Some(rest) = line.strip_prefix("...") {
            let count = rest.split(' ').next().unwrap().parse().unwrap_or(0);
            goroutine.elided = Some((goroutine.frames.len(), count));
            continue;
        }
        let place = lines.next().unwrap_or_default().trim().to_owned();
        match line.strip_prefix("created by ") {
            Some(by) => goroutine.created = Some((by.to_owned(), place)),
            None => goroutine.frames.push((without_arguments(line), place)),
        }
    }
    (number.parse().unwrap(), goroutine)
}

/// `main.f(0x1, {0x2, 0x3})` → `main.f`; types in names have parentheses too, but arguments come last.
fn without_arguments(line: &str) -> String {
    let mut depth = 0;
    for (at, c) in line.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => {
                depth -= 1;
                if depth == 0 {
                    return line[..at].to_owned();
                }
            }
            _ => {}
        }
    }
    panic!("not a call: {line}")
}
