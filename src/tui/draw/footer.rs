//! The last line: keys, or what is being typed, or what went wrong.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Widget;

use crate::model::foreign;
use crate::model::human::uptime;
use crate::tui::plot::GUTTER;
use crate::tui::state::State;

const LIST: [(&str, &str); 7] = [
    ("q", "quit"),
    ("?", "help"),
    ("↑↓", "select"),
    ("Enter", "open"),
    ("s", "sort"),
    ("r", "reverse"),
    ("/", "filter"),
];

const PROCESS: [(&str, &str); 7] = [
    ("q", "quit"),
    ("?", "help"),
    ("↵", "stacks"),
    ("/", "filter"),
    ("s", "sort"),
    ("space", "pause"),
    ("-+", "zoom"),
];

const PAGE: [(&str, &str); 4] = [
    ("q", "quit"),
    ("↑↓", "scroll"),
    ("Enter", "read again"),
    ("Esc", "back"),
];

/// Draws it.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let look = state.look;
    let filter = match &state.process {
        Some(view) => &view.filter,
        None => &state.list.filter,
    };
    if let Some(message) = &state.message {
        Line::styled(format!(" {}", foreign::line(message)), look.alarm()).render(area, buffer);
        return;
    }
    if let Some((text, valid)) = filter.typed() {
        let mut spans = vec![
            Span::styled(" filter: ", look.title()),
            Span::raw(text.to_owned()),
            Span::styled(" ", look.selected()),
        ];
        spans.push(match valid {
            true => Span::styled("  a regular expression; Enter keeps it", look.dim()),
            false => Span::styled("  not an expression yet", look.warning()),
        });
        Line::from(spans).render(area, buffer);
        return;
    }
    let is_page = state.process.as_ref().is_some_and(|it| it.page.is_some());
    let keys: &[(&str, &str)] = match &state.process {
        Some(_) if is_page => &PAGE,
        Some(_) => &PROCESS,
        None => &LIST,
    };
    let mut spans = Vec::new();
    for (key, what) in keys {
        spans.push(Span::styled(format!(" {key}"), look.strong()));
        spans.push(Span::styled(format!(" {what} "), look.dim()));
    }
    if let Some(pattern) = filter.pattern() {
        spans.push(Span::styled(format!(" [{pattern}]"), look.warning()));
    }
    let left = Line::from(spans);
    let right = Line::styled(axis(state, area.width) + " ", look.dim()).right_aligned();
    let used = left.width() + right.width() + 1;
    left.render(area, buffer);
    if used <= usize::from(area.width) {
        right.render(area, buffer);
    }
}

/// How long the time axis is, and a column of it.
fn axis(state: &State, width: u16) -> String {
    let Some(view) = &state.process else {
        return String::new();
    };
    if view.page.is_some() {
        return String::new();
    }
    let column = state.interval.saturating_mul(view.per_column() as u32);
    let cell = super::grid::cell_width(width).saturating_sub(GUTTER);
    let all = column.saturating_mul(u32::from(cell));
    format!("{} across", uptime(all))
}
