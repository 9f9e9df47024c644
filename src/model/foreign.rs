//! Text that others wrote — names in a binary, arguments, paths, users, wait reasons — becomes text for people.
//!
//! Whoever controls the observed program controls such text, and a terminal obeys what it is sent: escape sequences
//! move its cursor and fill its clipboard, a newline fakes a line, a bidirectional override reverses what follows, and
//! characters without width make two names look alike. All of these are shown instead, as Rust writes them: `\n`,
//! `\x1b`, `\u{202e}`. So that nothing else looks like that, a backslash in a foreign text is `\\`.
//!
//! [`shown`] is for one foreign text where it is set between our words. [`line()`] is for a whole line that is about to
//! leave: it leaves our own words, and what [`shown`] made, as they are.

use std::borrow::Cow;

/// Characters above ASCII that are not seen, or act on others: controls (C1), marks of direction, what has no width,
/// line separators, fillers that look like a space, tags and selectors.
const UNSEEN: [(char, char); 19] = [
    ('\u{80}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{f0000}', '\u{10ffff}'),
];

/// Whether a character is never sent to a terminal.
pub fn is_unseen(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\0'..='\x7f' => true,
        _ => UNSEEN
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c)),
    }
}

/// One foreign text, for people.
pub fn shown(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\\' || is_unseen(c))
}

/// The same of bytes: those that are no text are shown as `\xff`.
pub fn shown_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => shown(text),
        Err(_) => {
            let mut out = String::new();
            for chunk in bytes.utf8_chunks() {
                out.push_str(&shown(chunk.valid()));
                for byte in chunk.invalid() {
                    out.push_str(&format!("\\x{byte:02x}"));
                }
            }
            Cow::Owned(out)
        }
    }
}

/// One line that is about to leave, whatever is in it.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_unseen)
}

/// How one character of a foreign text is shown; `None` as it is.
pub fn escape(c: char) -> Option<String> {
    (c == '\\' || is_unseen(c)).then(|| written(c))
}

fn escaped(text: &str, special: impl Fn(char) -> bool) -> Cow<'_, str> {
    let plain = text.bytes().fold(true, |plain, byte| {
        plain & matches!(byte, b' '..=b'[' | b']'..=b'~')
    });
    if plain || !text.chars().any(&special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match special(c) {
            true => out.push_str(&written(c)),
            false => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn written(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\0'..='\u{7f}' => format!("\\x{:02x}", u32::from(c)),
        _ => format!("\\u{{{:x}}}", u32::from(c)),
    }
}

/// What is left of a whole output on its way out: what must not be there is shown instead. Lines, tabs and these
/// sequences of our own stay. `None` if there is nothing to be done.
pub fn tamed(bytes: &[u8], own: &[&str]) -> Option<Vec<u8>> {
    let clean = bytes.iter().fold(true, |clean, byte| {
        clean & matches!(byte, b' '..=b'~' | b'\n' | b'\t')
    });
    if clean {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(c) = rest.chars().next() {
            let sequence = own
                .iter()
                .find(|sequence| c == '\x1b' && rest.starts_with(**sequence));
            let length = sequence.map_or(c.len_utf8(), |sequence| sequence.len());
            let (this, later) = rest.split_at(length);
            rest = later;
            if sequence.is_none() && !matches!(c, '\n' | '\t') && is_unseen(c) {
                out.extend_from_slice(written(c).as_bytes());
            } else {
                out.extend_from_slice(this.as_bytes());
            }
        }
        for byte in chunk.invalid() {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, expected) in [
            ("main.(*T).Work", "main.(*T).Work"),
            ("main.\x1b]52;c;aGk=\x07", "main.\\x1b]52;c;aGk=\\x07"),
            ("a\nb\r\tc\0\x7f", "a\\nb\\r\\tc\\x00\\x7f"),
            ("\u{9b}31m", "\\u{9b}31m"),
            (
                "x\u{202e}y\u{200b}\u{2066}\u{feff}",
                "x\\u{202e}y\\u{200b}\\u{2066}\\u{feff}",
            ),
            ("tag\u{e0041}\u{e0100}", "tag\\u{e0041}\\u{e0100}"),
            ("C:\\x1b", "C:\\\\x1b"),
            ("名前 é Ω 🙂", "名前 é Ω 🙂"),
        ] {
            assert_eq!(shown(text), expected);
        }
        assert_eq!(shown_bytes(b"a\xffb\\\xf0"), "a\\xffb\\\\\\xf0");
        assert!(matches!(shown("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_line_is_made_harmless_once() {
        let inner = shown("a\x1b[2J\\b");
        let whole = format!("cannot read {inner}: \u{202e}no\nway");
        assert_eq!(
            line(&whole),
            "cannot read a\\x1b[2J\\\\b: \\u{202e}no\\nway"
        );
        assert_eq!(line(&line(&whole)), line(&whole));
    }

    #[test]
    fn on_the_way_out_only_our_own_sequences_stay() {
        let own = ["\x1b[32m", "\x1b[0m"];
        let text = "\x1b[32mok\x1b[0m\t…\n";
        assert_eq!(tamed(text.as_bytes(), &own).unwrap(), text.as_bytes());
        assert_eq!(tamed(b"plain\n\ttext\n", &[]), None);
        let tame = |bytes: &[u8]| String::from_utf8(tamed(bytes, &own).unwrap()).unwrap();
        assert_eq!(tame(b"\x1b[31mred\xff\n"), "\\x1b[31mred\\xff\n");
        assert_eq!(tame("\u{202e}\r\n".as_bytes()), "\\u{202e}\\r\n");
    }
}
