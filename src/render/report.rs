//! Findings as text with aligned names, and as one JSON object.

use crate::model::foreign;
use crate::model::report::Detail;
use crate::model::report::Fact;
use crate::model::report::Section;
use crate::model::report::Verdict;

use super::json::Object;
use super::style::Colour;
use super::style::RESET;
use super::style::Style;
use super::table::columns;
use super::wrap::wrap;

/// Characters kept for a fact's name.
const NAME: usize = 29;
/// Spaces before a fact.
const INDENT: usize = 2;

/// Writes each section under its title.
pub fn text(out: &mut Vec<u8>, sections: &[Section], style: Style) {
    for (index, section) in sections.iter().enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(section.title.as_bytes());
        out.push(b'\n');
        for fact in &section.facts {
            write_fact(out, fact, style);
        }
    }
}

fn write_fact(out: &mut Vec<u8>, fact: &Fact, style: Style) {
    let margin = INDENT + NAME + 1;
    let room = style
        .width
        .map_or(usize::MAX, |width| width.saturating_sub(margin).max(20));
    out.resize(out.len() + INDENT, b' ');
    let name = foreign::line(&fact.name);
    out.extend_from_slice(name.as_bytes());
    let mut at = INDENT + columns(&name);
    let coloured = style.colour && fact.verdict == Verdict::Lacking;
    let found: Vec<_> = fact.found.iter().map(|line| foreign::line(line)).collect();
    for line in found.iter().flat_map(|line| wrap(line, room)) {
        let fits = at < margin;
        if !fits {
            out.push(b'\n');
            at = 0;
        }
        out.resize(out.len() + margin - at, b' ');
        if coloured {
            out.extend_from_slice(Colour::Yellow.sequence().as_bytes());
        }
        out.extend_from_slice(line.as_bytes());
        if coloured {
            out.extend_from_slice(RESET.as_bytes());
        }
        at = usize::MAX;
    }
    out.push(b'\n');
}

/// Writes all sections as one object: section → fact → `{"found": …, "fine": …}`.
pub fn json(out: &mut Vec<u8>, sections: &[Section]) {
    let mut object = Object::begin(out);
    for section in sections {
        object.object(&key(section.title), |inner| {
            for fact in &section.facts {
                inner.object(&key(&fact.name), |found| {
                    found.text("found", &fact.found.join("\n"));
                    found.truth("fine", fact.verdict == Verdict::Fine);
                    for (key, detail) in &fact.details {
                        match detail {
                            Detail::Number(number) => found.number_or_null(key, *number),
                            Detail::Text(text) => found.text_or_null(key, text.as_deref()),
                            Detail::Texts(texts) => found.text(key, &texts.join("; ")),
                        };
                    }
                });
            }
        });
    }
    object.end();
}

fn key(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        }
    };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Vec<Section> {
        let mut binary = Section::new("Binary");
        binary.fine("Go version", "go1.27.3, from the build information");
        let mut events = Section::new("Events");
        events.lacking(
            "stop of the world begins here",
            "this program has no function runtime.stopTheWorldWithSema",
        );
        vec![binary, events]
    }

    #[test]
    fn long_findings_wrap_below_themselves() {
        let mut out = Vec::new();
        let style = Style {
            width: Some(60),
            ..Style::PLAIN
        };
        text(&mut out, &sections(), style);
        let expected = "Binary
  Go version                    go1.27.3, from the build
                                information

Events
  stop of the world begins here this program has no function
                                runtime.stopTheWorldWithSema
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_has_keys_to_rely_on() {
        let mut out = Vec::new();
        json(&mut out, &sections());
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            read["events"]["stop_of_the_world_begins_here"]["fine"],
            false
        );
    }
}
