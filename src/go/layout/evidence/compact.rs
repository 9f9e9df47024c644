//! The list of shapes as it is carried: as bytes, made from its text when grtmon is built. A command asks some hundred
//! functions of it, and to find their lines, and the names in them, in 100 KB of text takes longer than to ask them.
//!
//! ```text
//! names      2 bytes: how many; each 1 byte: its length, and its text
//! functions  2 bytes: how many; each its name (1 byte: length), 1 byte: how many arguments, and 2 bytes for each;
//!            2 bytes: the result; 2 bytes: how many members it tells of, and 2 bytes for each;
//!            2 bytes: how many shapes; each 2 bytes: the structure, 1 byte: how many touches, 2 bytes for each (width and how),
//!            and 2 bytes for the member of each
//! ```
//!
//! Names are numbers in the order of the first part; 0xffff is none. This file stands alone: what builds grtmon uses it too.

/// No name.
pub(super) const NONE: u16 = u16::MAX;

/// Writes it.
#[derive(Default)]
struct Writer {
    names: Vec<String>,
    bytes: Vec<u8>,
}

/// A function and its shapes, as the text has them.
struct Part<'t> {
    line: &'t str,
    shapes: Vec<(&'t str, &'t str)>,
}

/// The bytes of a text; `None` if it is not of the form that `shapes.rs` describes.
pub(super) fn compact(text: &str) -> Option<Vec<u8>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    let is_comment = |line: &&str| line.is_empty() || line.starts_with('#');
    for line in text.lines().filter(|line| !is_comment(line)) {
        match line.split_once(": ") {
            Some(shape) => parts.last_mut()?.shapes.push(shape),
            None => parts.push(Part {
                line,
                shapes: Vec::new(),
            }),
        }
    }
    let mut writer = Writer::default();
    writer.number(parts.len())?;
    for part in &parts {
        writer.part(part)?;
    }
    let functions = std::mem::take(&mut writer.bytes);
    writer.number(writer.names.len())?;
    for name in std::mem::take(&mut writer.names) {
        writer.text(&name)?;
    }
    writer.bytes.extend(functions);
    Some(writer.bytes)
}

impl Writer {
    fn byte(&mut self, number: usize) -> Option<()> {
        self.bytes.push(u8::try_from(number).ok()?);
        Some(())
    }

    fn number(&mut self, number: usize) -> Option<()> {
        let number = u16::try_from(number).ok()?;
        self.bytes.extend(number.to_le_bytes());
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        self.byte(text.len())?;
        self.bytes.extend(text.bytes());
        Some(())
    }

    fn name(&mut self, name: &str) -> Option<()> {
        let none = usize::from(NONE);
        let number = match self.names.iter().position(|known| known == name) {
            _ if name == "-" || name == "_" => none,
            Some(number) => number,
            None => {
                self.names.push(name.to_owned());
                self.names.len() - 1
            }
        };
        self.number(number)
    }

    fn part(&mut self, part: &Part<'_>) -> Option<()> {
        let (head, result) = part.line.split_once(" > ").unwrap_or((part.line, "-"));
        let (name, arguments) = head.split_once(' ').unwrap_or((head, ""));
        self.text(name)?;
        let arguments: Vec<&str> = arguments.split_terminator(' ').collect();
        self.byte(arguments.len())?;
        for argument in arguments {
            self.name(argument)?;
        }
        self.name(result)?;
        let mut told: Vec<&str> = Vec::new();
        for (_, members) in &part.shapes {
            for member in members.split(' ').filter(|member| *member != "_") {
                if !told.contains(&member) {
                    told.push(member);
                }
            }
        }
        self.number(told.len())?;
        for member in told {
            self.name(member)?;
        }
        self.number(part.shapes.len())?;
        for (head, members) in &part.shapes {
            let (structure, touches) = head.split_once(' ').unwrap_or((head, ""));
            let touches: Vec<&str> = touches.split_terminator(' ').collect();
            let members: Vec<&str> = members.split(' ').collect();
            (touches.len() == members.len()).then_some(())?;
            self.name(structure)?;
            self.byte(touches.len())?;
            for touch in touches {
                let (width, how) = touch.split_at_checked(touch.len().checked_sub(1)?)?;
                self.byte(width.parse().ok()?)?;
                self.text_byte(how)?;
            }
            for member in members {
                self.name(member)?;
            }
        }
        Some(())
    }

    fn text_byte(&mut self, text: &str) -> Option<()> {
        self.bytes.push(*text.as_bytes().first()?);
        Some(())
    }
}
