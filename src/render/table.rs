//! Rows of left-aligned columns, written without allocating: the same buffer serves every row. Whatever a cell is
//! given, it stays within its cell (see `model::foreign`), and its width is the one that a terminal gives it.

pub use crate::model::human::human_duration;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use crate::model::foreign;
use crate::model::process;

use super::style::Colour;
use super::style::RESET;
use super::style::Style;

/// A column: its heading and its width. The last column of a table has no width to keep.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Heading, units included.
    pub heading: &'static str,
    /// Columns of the terminal kept for it, without the space that follows.
    pub width: usize,
}

/// Spaces before the first column, as in the original.
pub const INDENT: usize = 3;

/// Builds one row in a buffer that the caller owns.
#[derive(Debug)]
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    columns: &'a [Column],
    style: Style,
    next: usize,
    /// Where on the line we are, and where the next column begins.
    at: usize,
    begins: usize,
    full: bool,
}

impl<'a> Row<'a> {
    /// Begins a row.
    pub fn begin(out: &'a mut Vec<u8>, columns: &'a [Column], style: Style) -> Self {
        out.resize(out.len() + INDENT, b' ');
        Self {
            out,
            columns,
            style,
            next: 0,
            at: INDENT,
            begins: INDENT,
            full: false,
        }
    }

    /// The next cell.
    pub fn cell(&mut self, text: &str) -> &mut Self {
        self.write(text, None)
    }

    /// The next cell, in colour where that is wanted.
    pub fn coloured(&mut self, text: &str, colour: Colour) -> &mut Self {
        self.write(text, Some(colour))
    }

    /// The next cell: a number, or `-` where it does not apply.
    pub fn number(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => {
                let mut digits = itoa::Buffer::new();
                self.write(digits.format(value), None)
            }
            None => self.write("-", None),
        }
    }

    /// The next cell: the process of a record, or `?` when it has no number that we could know.
    pub fn process(&mut self, number: u32) -> &mut Self {
        match process::id(number) {
            Some(id) => self.number(Some(u64::from(id))),
            None => self.coloured("?", Colour::Yellow),
        }
    }

    /// The next cell: a duration in ns, or `?` when it cannot be known.
    pub fn duration(&mut self, ns: Option<u64>) -> &mut Self {
        match ns {
            None => self.write("?", Some(Colour::Yellow)),
            Some(ns) if self.style.human => {
                let mut text = [0; 16];
                let text = human_duration(ns, &mut text);
                self.write(text, None)
            }
            Some(_) => self.number(ns),
        }
    }

    /// The next cell: a duration in ns of which only this much is known.
    pub fn duration_above(&mut self, ns: u64) -> &mut Self {
        let mut text = [0; 16];
        let mut digits = itoa::Buffer::new();
        let shown = match self.style.human {
            true => human_duration(ns, &mut text),
            false => digits.format(ns),
        };
        let mut cell = [0; 24];
        let length = shown.len() + 1;
        cell[0] = b'>';
        if let Some(room) = cell.get_mut(1..length) {
            room.copy_from_slice(shown.as_bytes());
        }
        let cell = cell.get(..length).unwrap_or_default();
        self.write(
            std::str::from_utf8(cell).unwrap_or("?"),
            Some(Colour::Yellow),
        )
    }

    /// Ends the row.
    pub fn end(&mut self) {
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.push(b'\n');
    }

    fn write(&mut self, text: &str, colour: Option<Colour>) -> &mut Self {
        let Some(column) = self.columns.get(self.next) else {
            return self;
        };
        let first = self.next == 0;
        let last = self.next + 1 == self.columns.len();
        self.next += 1;
        // On a terminal a cell is never longer than its column, and a column that does not fit is left out with all
        // that follow. In a file nothing is cut.
        let room = match self.style.width {
            None => usize::MAX,
            Some(width) => {
                let left = width.saturating_sub(self.begins);
                let needed = if last {
                    column.heading.len()
                } else {
                    column.width
                };
                self.full |= left < needed && !first;
                if self.full {
                    return self;
                }
                if last { left } else { column.width.min(left) }
            }
        };
        if self.at < self.begins {
            self.out
                .resize(self.out.len() + self.begins - self.at, b' ');
            self.at = self.begins;
        } else if self.at > INDENT {
            self.out.push(b' ');
            self.at += 1;
        }
        let colour = colour.filter(|_| self.style.colour);
        if let Some(colour) = colour {
            self.out.extend_from_slice(colour.sequence().as_bytes());
        }
        self.at += push_within(self.out, text, room);
        if colour.is_some() {
            self.out.extend_from_slice(RESET.as_bytes());
        }
        self.begins += column.width + 1;
        self
    }
}

/// Appends a text as it is shown, cut to `room` columns of the terminal; what is cut is its beginning, because the end
/// of a function's name or of a path says more. Returns the columns taken.
fn push_within(out: &mut Vec<u8>, text: &str, room: usize) -> usize {
    let shown = foreign::shown(text);
    let width = columns(&shown);
    if width <= room {
        out.extend_from_slice(shown.as_bytes());
        return width;
    }
    let left = room.saturating_sub(1);
    let mut used = 0;
    let mut start = text.len();
    // A character, or what is shown in its place, is there whole or not at all.
    for (index, c) in text.char_indices().rev() {
        used += foreign::escape(c).map_or(c.width().unwrap_or(0), |escape| escape.len());
        if used > left {
            break;
        }
        start = index;
    }
    let end = foreign::shown(text.get(start..).unwrap_or_default());
    out.extend_from_slice("…".as_bytes());
    out.extend_from_slice(end.as_bytes());
    columns(&end) + 1
}

/// How many columns of a terminal a text takes that has no control characters.
pub fn columns(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.width()
    }
}

/// The heading of a table.
pub fn heading(out: &mut Vec<u8>, columns: &[Column], style: Style) {
    let mut row = Row::begin(out, columns, style);
    for column in columns {
        // Durations for people carry their units themselves.
        let heading = match style.human {
            true => column.heading.trim_end_matches("(ns)"),
            false => column.heading,
        };
        row.cell(heading);
    }
    row.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column {
            heading: "FN",
            width: 10,
        },
        Column {
            heading: "GOID",
            width: 4,
        },
        Column {
            heading: "CREATED AT",
            width: 10,
        },
    ];

    fn row(style: Style, cells: [&str; 3]) -> String {
        let mut out = Vec::new();
        let mut row = Row::begin(&mut out, &COLUMNS, style);
        for cell in cells {
            row.cell(cell);
        }
        row.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            row(Style::PLAIN, ["main.f", "7", "a.go:1"]),
            "   main.f     7    a.go:1\n"
        );
    }

    #[test]
    fn nothing_is_cut_in_a_file() {
        let long = "example.com/some/package.(*Type).Method.func1";
        let text = row(Style::PLAIN, [long, "7", "a.go:1"]);
        assert_eq!(text, format!("   {long} 7 a.go:1\n"));
    }

    #[test]
    fn a_narrow_terminal_gets_whole_columns_within_its_width() {
        let cells = [
            "example.com/some/package.(*Type).Method.func1",
            "123",
            "long/path/file.go:123",
        ];
        for width in INDENT + 1..60 {
            let style = Style {
                width: Some(width),
                ..Style::PLAIN
            };
            let text = row(style, cells);
            assert!(
                text.trim_end().chars().count() <= width,
                "{width}: {text:?}"
            );
        }
        let style = Style {
            width: Some(20),
            ..Style::PLAIN
        };
        assert_eq!(row(style, cells), "   …hod.func1 123\n");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        for name in ["世界世界世界", "main.世界.func1", "main.🙂🙂🙂🙂", "é世"] {
            for width in [None, Some(60)] {
                let style = Style {
                    width,
                    ..Style::PLAIN
                };
                let text = row(style, [name, "7", "a.go:1"]);
                let (before, _) = text.split_once(" 7 ").unwrap();
                let fits = name.width() <= 10;
                if fits || width.is_some() {
                    assert_eq!(before.width(), INDENT + 10, "{text}");
                    assert!(text.trim_end().ends_with("7    a.go:1"), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_cell_stays_in_its_cell() {
        let style = Style {
            width: Some(60),
            ..Style::PLAIN
        };
        let text = row(style, ["a\nb\x1b[2J\u{202e}", "\r\u{9b}", "b\\c"]);
        // What is shown for a character is cut as a whole.
        assert_eq!(text, "   …J\\u{202e} …    b\\\\c\n");
        let text = row(Style::PLAIN, ["a\nb\x1b[2J\u{202e}", "\r", "b"]);
        assert_eq!(text, "   a\\nb\\x1b[2J\\u{202e} \\r b\n");
    }
}
