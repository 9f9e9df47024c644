//! Areas of the screen, divided.

use ratatui::layout::Rect;

/// So many lines, and the rest.
pub(super) fn split_top(area: Rect, lines: u16) -> (Rect, Rect) {
    let lines = lines.min(area.height);
    let above = Rect {
        height: lines,
        ..area
    };
    let below = Rect {
        y: area.y + lines,
        height: area.height - lines,
        ..area
    };
    (above, below)
}

/// The rest, and so many lines below it.
pub(super) fn split_bottom(area: Rect, lines: u16) -> (Rect, Rect) {
    split_top(area, area.height.saturating_sub(lines))
}
