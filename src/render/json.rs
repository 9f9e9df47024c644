//! JSON objects, one per line, written without allocating.
//!
//! Strings are what they are, foreign ones too; but characters that a terminal would obey, or that are not seen (see
//! `model::foreign`), are written as `\u…`, so that whoever looks at a line sees them.

use crate::model::foreign::is_unseen;

/// Writes one object, field by field, into a buffer that the caller owns.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    fn key(&mut self, key: &str) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        // Labels of profiles are told by keys of the program's.
        string(self.out, key);
        self.out.push(b':');
    }

    /// A text.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        string(self.out, value);
        self
    }

    /// A text, or `null` when unknown.
    pub fn text_or_null(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(key, value),
            None => self.null(key),
        }
    }

    /// A number.
    pub fn number(&mut self, key: &str, value: u64) -> &mut Self {
        self.key(key);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// A number, or `null` when unknown.
    pub fn number_or_null(&mut self, key: &str, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self.null(key),
        }
    }

    /// A number with a fraction. What JSON cannot express becomes `null`.
    pub fn fraction(&mut self, key: &str, value: f64) -> &mut Self {
        if !value.is_finite() {
            return self.null(key);
        }
        self.key(key);
        self.out.extend_from_slice(format!("{value}").as_bytes());
        self
    }

    /// True, false, or null.
    pub fn truth_or_null(&mut self, key: &str, value: Option<bool>) -> &mut Self {
        match value {
            Some(value) => self.truth(key, value),
            None => self.null(key),
        }
    }

    /// True or false.
    pub fn truth(&mut self, key: &str, value: bool) -> &mut Self {
        self.key(key);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// `null`: unknown, or not applicable.
    pub fn null(&mut self, key: &str) -> &mut Self {
        self.key(key);
        self.out.extend_from_slice(b"null");
        self
    }

    /// An object within.
    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.key(key);
        let mut inner = Object::begin(self.out);
        fill(&mut inner);
        inner.close();
        self
    }

    /// A list of objects, one for each item.
    pub fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut fill: impl FnMut(&mut Object<'_>, T),
    ) -> &mut Self {
        self.key(key);
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let mut inner = Object::begin(self.out);
            fill(&mut inner, item);
            inner.close();
        }
        self.out.push(b']');
        self
    }

    /// A list of numbers.
    pub fn numbers(&mut self, key: &str, items: impl IntoIterator<Item = u64>) -> &mut Self {
        self.items(key, items, |out, number| {
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        })
    }

    /// A list of texts.
    pub fn texts<'t>(&mut self, key: &str, items: impl IntoIterator<Item = &'t str>) -> &mut Self {
        self.items(key, items, string)
    }

    fn items<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Vec<u8>, T),
    ) -> &mut Self {
        self.key(key);
        self.out.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write(self.out, item);
        }
        self.out.push(b']');
        self
    }

    fn close(&mut self) {
        self.out.push(b'}');
    }

    /// Ends the object and its line.
    pub fn end(mut self) {
        self.close();
        self.out.push(b'\n');
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    // All bytes are looked at, which is quicker than to stop at the first: many at a time.
    let is_plain = text.bytes().fold(true, |plain, byte| {
        plain & matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~')
    });
    if is_plain {
        // Nearly always.
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\t' => out.extend_from_slice(b"\\t"),
            _ if is_unseen(c) => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.extend_from_slice(b"\\u");
                    out.extend([12, 8, 4, 0].map(|shift| hex(*unit >> shift)));
                }
            }
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// The lowest digit.
fn hex(number: u16) -> u8 {
    let digit = (number & 15) as u8;
    match digit {
        0..=9 => b'0' + digit,
        _ => b'a' - 10 + digit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_parser_reads() {
        let mut nasty: String = (0..0x3000).filter_map(char::from_u32).collect();
        nasty.push_str("\u{feff}\u{e0041}名前🙂");
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object
            .text("text", &nasty)
            .number("n", u64::MAX)
            .null("none")
            .truth("yes", true);
        object.fraction("half", 0.5).fraction("nan", f64::NAN);
        object.object("in", |inner| {
            inner.number_or_null("x", None);
        });
        object.list("all", [1, 2], |inner, n| {
            inner.number("n", n);
        });
        object
            .numbers("numbers", [1, u64::MAX])
            .texts("texts", [nasty.as_str(), ""]);
        object.end();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["text"], nasty);
        assert_eq!(read["n"], u64::MAX);
        assert!(read["none"].is_null() && read["nan"].is_null() && read["in"]["x"].is_null());
        assert_eq!(read["half"], 0.5);
        assert_eq!(read["all"][1]["n"], 2);
        assert_eq!(read["numbers"], serde_json::json!([1, u64::MAX]));
        assert_eq!(read["texts"], serde_json::json!([nasty, ""]));
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        let written = String::from_utf8(out).unwrap();
        let seen = written.trim_end().chars().all(|c| !is_unseen(c));
        assert!(seen, "nothing that acts on a terminal is written as it is");
    }
}
