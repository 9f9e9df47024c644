//! Tables: columns of a fixed width, the names in them cut where they do not fit.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::model::foreign;

use super::look::Look;
use super::rows::first_shown;

/// How a cell is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Set {
    /// On the left; a long text loses its end.
    Left,
    /// On the left; a long text loses its beginning, as names of functions do.
    Name,
    /// On the right.
    Right,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// Its heading.
    pub heading: &'a str,
    /// Its width.
    pub width: usize,
    /// How its cells are set.
    pub set: Set,
    /// Whether the rows are sorted by it.
    pub sorted: bool,
}

/// A cell: a text, and how it looks.
pub type Cell = (String, Style);

/// Draws a heading and rows; the selected one is in sight.
pub fn draw(
    look: Look,
    area: Rect,
    buffer: &mut Buffer,
    columns: &[Column<'_>],
    rows: &[Vec<Cell>],
    selected: Option<usize>,
) {
    let headings: Vec<Cell> = columns
        .iter()
        .map(|column| {
            let style = if column.sorted {
                look.title()
            } else {
                look.dim()
            };
            (column.heading.to_owned(), style)
        })
        .collect();
    line(area, 0, buffer, columns, &headings);
    let height = usize::from(area.height.saturating_sub(1));
    let first = first_shown(selected.unwrap_or(0), height, rows.len());
    let shown = rows.iter().enumerate().skip(first).take(height);
    for (place, (number, row)) in (1..).zip(shown) {
        line(area, place, buffer, columns, row);
        if selected == Some(number) {
            let row = Rect {
                y: area.y + place,
                height: 1,
                ..area
            };
            buffer.set_style(row, look.selected());
        }
    }
}

fn line(area: Rect, place: u16, buffer: &mut Buffer, columns: &[Column<'_>], cells: &[Cell]) {
    let y = area.y + place;
    let mut x = area.x + 1;
    if y >= area.bottom() {
        return;
    }
    for (column, (text, style)) in columns.iter().zip(cells) {
        let left = usize::from(area.right().saturating_sub(x));
        let width = column.width.min(left);
        if width == 0 {
            break;
        }
        let text = set(text, width, column.set);
        buffer.set_stringn(x, y, text, width, *style);
        x = x.saturating_add(u16::try_from(width + 1).unwrap_or(u16::MAX));
    }
}

/// A text, as it is shown, in so many columns.
fn set(text: &str, width: usize, set: Set) -> String {
    let shown = foreign::shown(text);
    let own = shown.width();
    if own <= width {
        let space = " ".repeat(width - own);
        return match set {
            Set::Right => space + &shown,
            Set::Left | Set::Name => shown.into_owned(),
        };
    }
    let room = width.saturating_sub(1);
    match set {
        Set::Name => format!("…{}", end(text, room)),
        Set::Left | Set::Right => format!("{}…", beginning(text, room)),
    }
}

/// The beginning of a text, as it is shown, that fits into so many columns.
pub fn beginning(text: &str, width: usize) -> String {
    fitting(text.chars(), width).concat()
}

/// The end of a text, as it is shown, that fits into so many columns.
pub fn end(text: &str, width: usize) -> String {
    let mut pieces = fitting(text.chars().rev(), width);
    pieces.reverse();
    pieces.concat()
}

/// What is shown of each character, as many as fit: none is cut.
fn fitting(text: impl Iterator<Item = char>, width: usize) -> Vec<String> {
    let mut used = 0;
    let pieces = text.map(|c| foreign::escape(c).unwrap_or_else(|| c.to_string()));
    let fitting = pieces.take_while(|piece| {
        used += piece.width();
        used <= width
    });
    fitting.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut() {
        assert_eq!(set("abc", 5, Set::Right), "  abc");
        assert_eq!(set("abc", 3, Set::Name), "abc");
        assert_eq!(set("main.worker", 6, Set::Name), "…orker");
        assert_eq!(set("main.worker", 6, Set::Left), "main.…");
        assert_eq!(set("", 0, Set::Left), "");
        // Wide characters take two columns.
        assert_eq!(set("世界世界", 4, Set::Left), "世…");
        assert_eq!(set("世界世界", 4, Set::Name), "…界");
        // What stands for a character that is not shown as it is, too.
        assert_eq!(set("a\x1bb", 6, Set::Left), "a\\x1bb");
        assert_eq!(set("a\x1bb", 5, Set::Left), "a…");
        assert_eq!(set("a\u{202e}b", 9, Set::Name), "…b");
    }
}
