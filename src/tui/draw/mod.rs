//! How the state looks. Pure: the same state gives the same picture.

mod collector;
mod figures;
mod footer;
mod goroutines;
mod grid;
mod header;
mod help;
mod lifetimes;
mod page;
mod plots;
mod processes;
mod split;
mod tabs;
mod text;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use self::split::{split_bottom, split_top};
use super::choices::Tab;
use super::process::ProcessScreen;
use super::state::State;

pub use self::text::plain;

/// Below this nothing useful fits.
pub const LEAST: (u16, u16) = (60, 16);
/// What it is made for.
pub const GOOD: (u16, u16) = (80, 24);

/// Rows of a frame that is text. Whoever has more creation sites wants to see the largest.
const MOST_ROWS: usize = 2000;

/// Draws everything.
pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(area, buffer);
        return;
    }
    let (rest, foot) = split_bottom(area, 1);
    match &state.process {
        Some(view) => process(state, view, rest, buffer),
        None => processes::draw(state, rest, buffer),
    }
    footer::draw(state, foot, buffer);
    if state.help {
        help::draw(state.look, area, buffer);
    }
}

fn process(state: &State, view: &ProcessScreen, area: Rect, buffer: &mut Buffer) {
    let look = state.look;
    let area = header::draw(look, view, state.interval, area, buffer);
    if let Some(page) = &view.page {
        page::draw(look, page, area, buffer);
        return;
    }
    let grid = grid::Grid::of(area.width, area.height);
    let (above, below) = split_top(area, grid.height());
    plots::draw(look, view, &grid, above, buffer);
    let (line, below) = split_top(below, 1);
    tabs::draw(look, view, line, buffer);
    match view.tab {
        Tab::Sites | Tab::Functions => goroutines::draw(look, view, below, buffer),
        Tab::Lifetimes => lifetimes::draw(look, view, below, buffer),
        Tab::Collector => collector::draw(look, view, below, buffer),
    }
}

/// The picture as text for `--once`: all rows, nothing selected, and plots only if there is something to plot.
pub fn once(state: &State, width: u16) -> String {
    let Some(view) = &state.process else {
        let height = text_lines(state.list.rows().len()) + 2;
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        processes::draw(state, area, &mut buffer);
        return plain(&buffer);
    };
    let lines = match view.seen().history.len() >= plots::WORTH {
        true => 4,
        false => 0,
    };
    let grid = grid::Grid::with_lines(width, lines);
    // The picture has a header, perhaps a banner, an empty line, a heading, and at least one row.
    let height = text_lines(view.rows().len()) + grid.height() + 4;
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let rest = header::draw(state.look, view, state.interval, area, &mut buffer);
    let (above, below) = split_top(rest, grid.height());
    plots::draw(state.look, view, &grid, above, &mut buffer);
    let (_, below) = split_top(below, 1);
    goroutines::table(state.look, view, below, &mut buffer, None);
    plain(&buffer)
}

/// Lines for so many rows: at least one, which says that there are none.
fn text_lines(rows: usize) -> u16 {
    rows.clamp(1, MOST_ROWS) as u16
}

fn too_small(area: Rect, buffer: &mut Buffer) {
    let lines = [
        format!("This terminal is {}×{}.", area.width, area.height),
        format!("grtmon top needs {}×{};", LEAST.0, LEAST.1),
        format!("{}×{} is good.  q quits", GOOD.0, GOOD.1),
    ];
    let top = area.height.saturating_sub(lines.len() as u16) / 2;
    for (y, line) in (area.y + top..area.bottom()).zip(lines) {
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        Line::raw(line).centered().render(row, buffer);
    }
}
