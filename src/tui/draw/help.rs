//! What the keys do, and what the figures mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Block;
use ratatui::widgets::Clear;
use ratatui::widgets::Widget;

use crate::tui::look::Look;

/// Key and meaning; a line without a key explains a figure.
const LINES: [(&str, &str); 21] = [
    ("↑ ↓ PgUp PgDn Home End", "select a row (j k G too)"),
    ("Enter", "open a process; read the stacks of a row"),
    ("Esc", "back; drop the filter"),
    ("1 2 3 4  Tab", "what the lower half shows"),
    ("s  r", "sort by the next column; the other way round"),
    ("/", "show only what matches a regular expression"),
    ("space", "let the picture stand still; nothing is missed"),
    ("-  +", "plots of a longer, or a shorter time"),
    ("l", "probes: how long goroutines run (two hits for each)"),
    ("g", "probes: the collector's events (seven hits a cycle)"),
    ("q  Ctrl-C", "quit, taking all probes away"),
    ("", ""),
    (
        "GROWN  /S",
        "since top began; per second over ten refreshes",
    ),
    ("WAIT", "the longest, about: the collector notes it"),
    ("HEAP", "live or not yet swept; the line is the goal"),
    ("GC", "the longest pause; below: cycles that ended"),
    (
        "LATENCY",
        "of all, the runtime's own too; p50, behind it p99",
    ),
    ("CPU", "100 % is one processor; of GC: its share of all"),
    ("blank  ·", "it was not read; it was read, and was nothing"),
    ("?  -  ≤", "not known; there was none; no more than this"),
    (
        "no probe set",
        "all is read from its memory and costs it nothing",
    ),
];

/// Columns of the keys.
const KEYS: usize = 24;

/// Draws it over everything.
pub(super) fn draw(look: Look, area: Rect, buffer: &mut Buffer) {
    let width = area.width.min(84);
    let height = area.height.min(LINES.len() as u16 + 2);
    let window = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(window, buffer);
    let block = Block::bordered()
        .title(Span::styled(" grtmon top ", look.title()))
        .title_bottom(Line::styled(" any key goes back ", look.dim()).right_aligned());
    let inner = block.inner(window);
    block.render(window, buffer);
    for (y, (key, meaning)) in (inner.y..inner.bottom()).zip(LINES) {
        let line = Line::from(vec![
            Span::styled(format!(" {key:<KEYS$}"), look.strong()),
            Span::raw(meaning),
        ]);
        let row = Rect {
            y,
            height: 1,
            ..inner
        };
        line.render(row, buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_into_eighty_columns() {
        for (key, meaning) in LINES {
            assert!(key.chars().count() < KEYS, "{key}");
            assert!(meaning.chars().count() + KEYS < 78, "{meaning}");
        }
    }
}
