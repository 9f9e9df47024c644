//! String literals as Go writes them (`strconv.Quote`): in the build settings of a binary.

/// Takes the literal off the start of `text`: its value, and what follows. `None` if no literal is there.
pub(in crate::go) fn unquote(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        return raw
            .split_once('`')
            .map(|(value, rest)| (value.to_owned(), rest));
    }
    let mut rest = text.strip_prefix('"')?;
    let mut value = Vec::new();
    loop {
        let c = rest.chars().next()?;
        rest = rest.get(c.len_utf8()..)?;
        match c {
            '"' => return Some((String::from_utf8_lossy(&value).into_owned(), rest)),
            '\\' => rest = escape(rest, &mut value)?,
            c => value.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Appends what the escape sequence behind a backslash stands for, and returns what follows it.
fn escape<'a>(text: &'a str, value: &mut Vec<u8>) -> Option<&'a str> {
    let (kind, rest) = text.split_at_checked(1)?;
    let simple = match kind {
        "a" => 7,
        "b" => 8,
        "f" => 12,
        "n" => b'\n',
        "r" => b'\r',
        "t" => b'\t',
        "v" => 11,
        "\\" | "\"" => *kind.as_bytes().first()?,
        "x" => {
            let (digits, rest) = rest.split_at_checked(2)?;
            value.push(u8::from_str_radix(digits, 16).ok()?);
            return Some(rest);
        }
        "u" | "U" => {
            let (digits, rest) = rest.split_at_checked(if kind == "u" { 4 } else { 8 })?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            value.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    value.push(simple);
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::unquote;

    #[test]
    fn literals() {
        let value = |text| unquote(text).map(|(value, rest)| (value, rest.to_owned()));
        let is = |value: &str, rest: &str| Some((value.to_owned(), rest.to_owned()));
        assert_eq!(value(r#""a b"=c"#), is("a b", "=c"));
        assert_eq!(
            value(r#""\"\\\n\x41\u00e9\U0001f600""#),
            is("\"\\\nAé😀", "")
        );
        assert_eq!(value("`raw\\n`x"), is("raw\\n", "x"));
        assert_eq!(value("\"é\""), is("é", ""));
    }

    #[test]
    fn no_literal() {
        for text in [
            "",
            "plain",
            "\"open",
            "`open",
            r#""\"#,
            r#""\x4"#,
            r#""\q""#,
            r#""\ud800""#,
            r#""\é""#,
        ] {
            assert_eq!(unquote(text), None, "{text}");
        }
    }
}
