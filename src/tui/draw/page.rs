//! Stacks that were opened.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::foreign;
use crate::tui::choices::Page;
use crate::tui::look::Look;

use super::split::split_top;

/// Draws them.
pub(super) fn draw(look: Look, page: &Page, area: Rect, buffer: &mut Buffer) {
    let (line, area) = split_top(area, 1);
    let height = usize::from(area.height);
    let last = page.lines.len().saturating_sub(height);
    let top = page.top.min(last);
    let end = (top + height).min(page.lines.len());
    let width = usize::from(area.width);
    let place = format!(" lines {}-{end} of {} ", top + 1, page.lines.len());
    buffer.set_style(line, look.selected());
    buffer.set_stringn(
        line.x,
        line.y,
        format!(" {}", foreign::line(&page.title)),
        width,
        look.strong(),
    );
    let at = width.saturating_sub(place.len());
    let x = line.x + u16::try_from(at).unwrap_or(0);
    buffer.set_stringn(x, line.y, place, width, Style::new());
    let lines = page.lines.iter().skip(top).take(height);
    for (y, text) in (area.y..).zip(lines) {
        let style = match text.starts_with(['\t', ' ']) {
            true => look.dim(),
            false => Style::new(),
        };
        let text = text.replace('\t', "    ");
        let text = foreign::line(&text);
        buffer.set_stringn(area.x + 1, y, text, width.saturating_sub(1), style);
    }
}
