//! Rows of left-aligned columns, written without allocating: the same buffer serves every row. Whatever a cell is
//! given, it stays within its cell (see `model::foreign`), and its width is the one that a terminal gives it.

mod fit;

pub use self::fit::Column;
pub use self::fit::Fit;
pub use self::fit::INDENT;
pub use self::fit::TIME_OF_DAY;
pub use crate::model::human::human_duration;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

use crate::model::foreign;
use crate::model::process;

use super::style::Colour;
use super::style::RESET;
use super::time_of_day;
use super::time_of_day::time_of_day;

/// Builds one row in a buffer that the caller owns.
#[derive(Debug)]
pub struct Row<'a> {
    out: &'a mut Vec<u8>,
    fit: &'a Fit,
    next: usize,
    /// Where on the line we are, and where the next column begins.
    at: usize,
    begins: usize,
}

impl Fit {
    /// Writes the line of headings.
    pub fn heading(&self, out: &mut Vec<u8>) {
        let mut row = Row::begin(out, self);
        for place in &self.places {
            row.cell(self.word(place));
        }
        row.end();
    }
}

/// What is in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What it ends with says enough.
    Words,
    /// Nothing of it may be missing: it takes the room of what follows where it has to.
    Figure,
}

impl<'a> Row<'a> {
    /// Begins a row.
    pub fn begin(out: &'a mut Vec<u8>, fit: &'a Fit) -> Self {
        out.resize(out.len() + INDENT, b' ');
        Self {
            out,
            fit,
            next: 0,
            at: INDENT,
            begins: INDENT,
        }
    }

    /// The next cell.
    pub fn cell(&mut self, text: &str) -> &mut Self {
        self.write(text, None, Kind::Words)
    }

    /// The next cell: a number in whatever form, which is never cut.
    pub fn figure(&mut self, text: &str) -> &mut Self {
        self.write(text, None, Kind::Figure)
    }

    /// The next cell: a time of day (UTC) from nanoseconds since 1970, or `?` when it is not known.
    pub fn time_of_day(&mut self, unix_ns: Option<u64>) -> &mut Self {
        match unix_ns {
            Some(unix_ns) => self.figure(time_of_day(unix_ns, &mut [0; time_of_day::WIDTH])),
            None => self.coloured("?", Colour::Yellow),
        }
    }

    /// The next cell, in colour where that is wanted.
    pub fn coloured(&mut self, text: &str, colour: Colour) -> &mut Self {
        self.write(text, Some(colour), Kind::Words)
    }

    /// The next cell: a number, or `-` where it does not apply.
    pub fn number(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => {
                let mut digits = itoa::Buffer::new();
                self.figure(digits.format(value))
            }
            None => self.figure("-"),
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
            None => self.coloured("?", Colour::Yellow),
            Some(ns) if self.fit.style.human => {
                let mut text = [0; 16];
                let text = human_duration(ns, &mut text);
                self.figure(text)
            }
            Some(_) => self.number(ns),
        }
    }

    /// The next cell: a duration in ns of which only this much is known.
    pub fn duration_above(&mut self, ns: u64) -> &mut Self {
        let mut text = [0; 16];
        let mut digits = itoa::Buffer::new();
        let shown = match self.fit.style.human {
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
            Kind::Figure,
        )
    }

    /// Ends the row.
    pub fn end(&mut self) {
        while self.out.last() == Some(&b' ') {
            self.out.pop();
        }
        self.out.push(b'\n');
    }

    fn write(&mut self, text: &str, colour: Option<Colour>, kind: Kind) -> &mut Self {
        let Some(place) = self.fit.places.get(self.next) else {
            return self;
        };
        self.next += 1;
        if !place.is_shown {
            return self;
        }
        let start = match self.at < self.begins {
            true => self.begins,
            false => self.at + usize::from(self.at > INDENT),
        };
        self.begins += place.width + 1;
        // Nothing goes beyond the end of the line.
        let left = self.fit.end.saturating_sub(start);
        if left == 0 {
            return self;
        }
        let room = match kind {
            Kind::Words if !place.is_last && !self.fit.style.wide => place.width.min(left),
            _ => left,
        };
        self.out.resize(self.out.len() + start - self.at, b' ');
        self.at = start;
        let colour = colour.filter(|_| self.fit.style.colour);
        if let Some(colour) = colour {
            self.out.extend_from_slice(colour.sequence().as_bytes());
        }
        self.at += push_within(self.out, text, room);
        if colour.is_some() {
            self.out.extend_from_slice(RESET.as_bytes());
        }
        self
    }
}

/// Appends a text as it is shown, cut to `room` columns of the terminal; what is cut is its beginning, because the end
/// of a function's name or of a path says more. Of words, which stand in brackets where there is no name, it is the end.
/// Returns the columns taken.
pub(super) fn push_within(out: &mut Vec<u8>, text: &str, room: usize) -> usize {
    let shown = foreign::shown(text);
    let width = columns(&shown);
    if width <= room {
        out.extend_from_slice(shown.as_bytes());
        return width;
    }
    let left = room.saturating_sub(1);
    let mut used = 0;
    // A character, or what is shown in its place, is there whole or not at all.
    let mut fits = |c: char| {
        used += foreign::escape(c).map_or(c.width().unwrap_or(0), |escape| escape.len());
        used <= left
    };
    if text.starts_with('[') {
        let fitting = text.char_indices().find(|(_, c)| !fits(*c));
        let end = fitting.map_or(text.len(), |(index, _)| index);
        let begin = foreign::shown(text.get(..end).unwrap_or_default());
        out.extend_from_slice(begin.as_bytes());
        out.extend_from_slice("…".as_bytes());
        return columns(&begin) + 1;
    }
    let fitting = text.char_indices().rev().take_while(|(_, c)| fits(*c));
    let start = fitting.last().map_or(text.len(), |(index, _)| index);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::style::Style;

    const COLUMNS: [Column; 3] = [
        Column::new("FN", 10),
        Column::new("GOID", 4),
        Column::new("CREATED AT", 10),
    ];

    const LONG: &str = "example.com/some/package.(*Type).Method.func1";

    fn row(style: Style, cells: [&str; 3]) -> String {
        let mut out = Vec::new();
        let fit = Fit::of(COLUMNS, style);
        let mut row = Row::begin(&mut out, &fit);
        for cell in cells {
            row.cell(cell);
        }
        row.end();
        String::from_utf8(out).unwrap()
    }

    fn terminal(width: usize) -> Style {
        Style {
            width: Some(width),
            ..Style::PLAIN
        }
    }

    #[test]
    fn words_are_cut_at_their_end() {
        let cut = |text: &str| {
            let mut out = Vec::new();
            let used = push_within(&mut out, text, 10);
            let shown = String::from_utf8(out).unwrap();
            assert_eq!(columns(&shown), used);
            shown
        };
        assert_eq!(cut("[no stack noted]"), "[no stack…");
        assert_eq!(cut("main.function"), "….function");
        assert_eq!(cut("[\x1b\x1b\x1b]"), "[\\x1b\\x1b…");
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(
            row(Style::PLAIN, ["main.f", "7", "a.go:1"]),
            "   main.f     7    a.go:1\n"
        );
    }

    #[test]
    fn in_a_file_a_long_name_keeps_to_its_column() {
        let text = row(Style::PLAIN, [LONG, "7", LONG]);
        assert_eq!(text, format!("   …hod.func1 7    {LONG}\n"));
    }

    #[test]
    fn who_wants_all_gets_all() {
        for style in [Style::PLAIN, terminal(20)] {
            let text = row(style.wide(true), [LONG, "7", "a.go:1"]);
            assert_eq!(text, format!("   {LONG} 7 a.go:1\n"));
        }
    }

    #[test]
    fn numbers_are_whole() {
        let written = |style| {
            let fit = Fit::of(COLUMNS, style);
            let mut out = Vec::new();
            let mut row = Row::begin(&mut out, &fit);
            row.cell("main.f").number(Some(1_234_567)).cell("main.go:7");
            row.end();
            String::from_utf8(out).unwrap()
        };
        let whole = "   main.f     1234567 main.go:7\n";
        assert_eq!(written(Style::PLAIN), whole);
        assert_eq!(written(terminal(40)), whole);
        // It takes the room of what follows, not that of another line.
        assert_eq!(written(terminal(29)), "   main.f     1234567 …n.go:7\n");
    }

    #[test]
    fn a_narrow_terminal_gets_whole_columns_within_its_width() {
        let cells = [LONG, "123", "long/path/file.go:123"];
        for width in INDENT + 1..60 {
            let text = row(terminal(width), cells);
            assert!(
                text.trim_end().chars().count() <= width,
                "{width}: {text:?}"
            );
        }
        assert_eq!(row(terminal(20), cells), "   …hod.func1 123\n");
    }

    #[test]
    fn wide_characters_take_two_columns() {
        for name in ["世界世界世界", "main.世界.func1", "main.🙂🙂🙂🙂", "é世"] {
            for style in [Style::PLAIN, terminal(60)] {
                let text = row(style, [name, "7", "a.go:1"]);
                let (before, _) = text.split_once(" 7 ").unwrap();
                assert_eq!(before.width(), INDENT + 10, "{text}");
                assert!(text.trim_end().ends_with("7    a.go:1"), "{text}");
            }
        }
    }

    #[test]
    fn a_cell_stays_in_its_cell() {
        let text = row(terminal(60), ["a\nb\x1b[2J\u{202e}", "\r\u{9b}", "b\\c"]);
        // What is shown for a character is cut as a whole.
        assert_eq!(text, "   …J\\u{202e} …    b\\\\c\n");
        let style = Style::PLAIN.wide(true);
        let text = row(style, ["a\nb\x1b[2J\u{202e}", "\r", "b"]);
        assert_eq!(text, "   a\\nb\\x1b[2J\\u{202e} \\r b\n");
    }
}
