//! JSON objects, one per line, written without allocating.

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
        // A word of our own: nothing in it is special.
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
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
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20 | 0x7f);
    // All bytes are looked at, which is quicker than to stop at the first: many at a time.
    let has_special = text
        .bytes()
        .fold(false, |has, byte| has | is_special(&byte));
    if !has_special {
        // Nearly always.
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 | 0x7f => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_parser_reads() {
        let nasty: String = (0..0x100).filter_map(char::from_u32).collect();
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
        object.end();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["text"], nasty);
        assert_eq!(read["n"], u64::MAX);
        assert!(read["none"].is_null() && read["nan"].is_null() && read["in"]["x"].is_null());
        assert_eq!(read["half"], 0.5);
        assert_eq!(read["all"][1]["n"], 2);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
