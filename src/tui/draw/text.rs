//! A picture as plain text.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr;

/// The text of a picture, line by line, without colours and without spaces at the ends of lines; empty lines at the end
/// are left out.
pub fn plain(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer.cell((x, y)).map_or(" ", |cell| cell.symbol());
            line.push_str(symbol);
            // The cell after a wide character belongs to it.
            x += u16::try_from(symbol.width()).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
