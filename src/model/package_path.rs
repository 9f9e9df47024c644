//! Package paths as the linker writes them into names, and as people do.
//!
//! In the name of a symbol, dots after the last slash of the package's path, and what is not printable ASCII, stand as
//! `%xx` (`PathToPrefix`, cmd/internal/objabi/path.go): `gopkg.in/yaml%2ev3.Unmarshal`. Go's own tracebacks and profiles
//! leave it so; nobody writes it so.

use std::borrow::Cow;

/// The text without those escapes. What is no such escape, or would not be text then, stays.
pub fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('%') {
        return Cow::Borrowed(name);
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, later @ ..] = rest {
        let escape = match (first, later) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = later.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = later;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(name), Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::unescaped;

    #[test]
    fn paths_are_as_people_write_them() {
        for (name, expected) in [
            (
                "gopkg.in/yaml%2ev3.(*parser).parse",
                "gopkg.in/yaml.v3.(*parser).parse",
            ),
            ("a/%e4%b8%96.F", "a/世.F"),
            ("a/%25%20.F", "a/% .F"),
            ("main.main", "main.main"),
            ("a%", "a%"),
            ("a%2", "a%2"),
            ("a%zz.b", "a%zz.b"),
            // Not text: left as it is.
            ("a/%ff.F", "a/%ff.F"),
        ] {
            assert_eq!(unescaped(name), expected);
        }
    }
}
