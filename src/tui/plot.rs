//! Bars over time, an eighth of a line fine, a column for each column of the terminal. A gap is left blank; a known
//! nothing is a dot.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::style::Style;

use super::look::Look;
use super::scale::Scale;

/// Columns left of the plot, for the ends of its axis.
pub const GUTTER: u16 = 7;

const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// Values over time.
#[derive(Debug)]
pub struct Series<'a> {
    /// The latest last; `None` is a gap.
    pub values: &'a [Option<f64>],
    /// How they look.
    pub style: Style,
}

/// A plot.
#[derive(Debug)]
pub struct Plot<'a> {
    /// Its axis.
    pub scale: Scale,
    /// What the ends of the axis are called: the top and the bottom.
    pub ends: (String, String),
    /// Bars.
    pub bars: Series<'a>,
    /// Higher bars that stand behind them.
    pub behind: Option<Series<'a>>,
    /// A line across.
    pub line: Option<Series<'a>>,
}

impl Plot<'_> {
    /// Draws it.
    pub fn draw(&self, look: Look, area: Rect, buffer: &mut Buffer) {
        if area.width <= GUTTER || area.height == 0 {
            return;
        }
        if self.bars.values.iter().any(Option::is_some) {
            self.axis(look, area, buffer);
        }
        let plot = Rect {
            x: area.x + GUTTER,
            width: area.width - GUTTER,
            ..area
        };
        if let Some(line) = &self.line {
            self.line(line, plot, buffer);
        }
        if let Some(behind) = &self.behind {
            self.shade(behind, look, plot, buffer);
        }
        let behind = self.behind.as_ref().filter(|_| look.colour);
        let ground = behind.and_then(|behind| behind.style.fg);
        self.bars(&self.bars, ground, plot, buffer);
    }

    fn axis(&self, look: Look, area: Rect, buffer: &mut Buffer) {
        let (high, low) = (&self.ends.0, &self.ends.1);
        label(high, look, area, 0, buffer);
        if area.height > 1 {
            label(low, look, area, area.height - 1, buffer);
        }
    }

    /// How many eighths of a line high a value is, of an area with so many lines.
    fn eighths(&self, value: f64, lines: u16) -> usize {
        let most = usize::from(lines) * 8;
        let height = (self.scale.share(value) * most as f64).round() as usize;
        // What there is is seen.
        height.max(usize::from(value > 0.0)).min(most)
    }

    fn bars(&self, series: &Series<'_>, ground: Option<Color>, area: Rect, buffer: &mut Buffer) {
        each(series.values, area, |x, value| {
            let height = self.eighths(value, area.height);
            if height == 0 {
                let y = area.bottom() - 1;
                if let Some(cell) = buffer.cell_mut((x, y)).filter(|cell| cell.symbol() == " ") {
                    cell.set_symbol("·").set_style(series.style);
                }
            }
            for line in 0..area.height {
                let part = height.saturating_sub(usize::from(line) * 8).min(8);
                let y = area.bottom() - 1 - line;
                let Some(cell) = buffer.cell_mut((x, y)).filter(|_| part > 0) else {
                    break;
                };
                let stands_before = cell.symbol() == "█";
                cell.set_symbol(EIGHTHS.get(part).unwrap_or(&" "));
                cell.set_style(series.style);
                if let Some(ground) = ground.filter(|_| part < 8 && stands_before) {
                    cell.set_bg(ground);
                }
            }
        });
    }

    /// Bars that stand behind others: of the same kind where there are colours, else shaded.
    fn shade(&self, series: &Series<'_>, look: Look, area: Rect, buffer: &mut Buffer) {
        if look.colour {
            self.bars(series, None, area, buffer);
            return;
        }
        each(series.values, area, |x, value| {
            let lines = self.eighths(value, area.height).div_ceil(8);
            for line in 0..lines as u16 {
                if let Some(cell) = buffer.cell_mut((x, area.bottom() - 1 - line)) {
                    cell.set_symbol("░").set_style(series.style);
                }
            }
        });
    }

    fn line(&self, series: &Series<'_>, area: Rect, buffer: &mut Buffer) {
        each(series.values, area, |x, value| {
            let line = self.eighths(value, area.height).saturating_sub(1) / 8;
            if let Some(cell) = buffer.cell_mut((x, area.bottom() - 1 - line as u16)) {
                cell.set_symbol("─").set_style(series.style);
            }
        });
    }
}

/// The column of each value that is known.
fn each(values: &[Option<f64>], area: Rect, mut draw: impl FnMut(u16, f64)) {
    let skipped = values.len().saturating_sub(usize::from(area.width));
    for (x, value) in (area.x..area.right()).zip(values.iter().skip(skipped)) {
        if let Some(value) = value {
            draw(x, *value);
        }
    }
}

/// Writes what an end of an axis is called, right-aligned in the gutter.
pub fn label(text: &str, look: Look, area: Rect, line: u16, buffer: &mut Buffer) {
    let room = usize::from(GUTTER) - 1;
    // Half a number would be another number.
    let fits = text.chars().count() <= room;
    let text = format!("{:>room$}", if fits { text } else { "…" });
    buffer.set_stringn(area.x, area.y + line, text, room, look.dim());
}
