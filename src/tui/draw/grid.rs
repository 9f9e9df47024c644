//! How the cells of the plots are arranged.

use ratatui::layout::Rect;

/// Cells that there are.
const CELLS: u16 = 6;
/// Columns between cells.
const SPACE: u16 = 2;
/// Lines kept for what is below.
const BELOW: u16 = 9;
/// Lines of a plot at most.
const MOST: u16 = 8;
/// From here on there are three cells beside each other.
const WIDE: u16 = 120;

/// How the cells are arranged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    columns: u16,
    /// Lines of each plot, without its title.
    pub(super) lines: u16,
}

impl Grid {
    /// For an area of which the cells take a part.
    pub(super) fn of(width: u16, height: u16) -> Self {
        let columns = columns(width);
        let rows = CELLS / columns;
        let share = height.saturating_sub(BELOW).min(height * 3 / 5);
        let lines = (share / rows).saturating_sub(1);
        Self {
            columns,
            lines: lines.min(MOST),
        }
    }

    /// With so many lines for each plot.
    pub(super) fn with_lines(width: u16, lines: u16) -> Self {
        Self {
            columns: columns(width),
            lines,
        }
    }

    /// Lines in all.
    pub(super) fn height(&self) -> u16 {
        CELLS / self.columns * (self.lines + 1)
    }

    pub(super) fn cell(&self, number: u16, area: Rect) -> Rect {
        let width = cell_width(area.width) + SPACE;
        let height = self.lines + 1;
        let cell = Rect {
            x: area.x + number % self.columns * width,
            y: area.y + number / self.columns * height,
            width: width - SPACE,
            height,
        };
        cell.intersection(area)
    }
}

fn columns(width: u16) -> u16 {
    if width >= WIDE { 3 } else { 2 }
}

/// How wide a cell is where the whole is so wide.
pub(super) fn cell_width(width: u16) -> u16 {
    (width.saturating_add(SPACE) / columns(width)).saturating_sub(SPACE)
}
