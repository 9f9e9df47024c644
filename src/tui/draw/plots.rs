//! The upper half: six cells on one time axis.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Widget;

use crate::model::human::compact;
use crate::model::human::duration;
use crate::model::human::human_bytes;
use crate::model::human::scaled;
use crate::model::human::uptime;
use crate::model::stat::NO_GOAL;
use crate::model::top::Point;
use crate::tui::look::Look;
use crate::tui::plot::GUTTER;
use crate::tui::plot::Plot;
use crate::tui::plot::Series;
use crate::tui::plot::label;
use crate::tui::process::ProcessScreen;
use crate::tui::scale::Round;
use crate::tui::scale::Scale;

use super::figures::at_most;
use super::figures::bar;
use super::figures::bytes;
use super::figures::change;
use super::figures::short_duration;
use super::figures::signed;
use super::figures::whole;
use super::grid::Grid;

/// With fewer readings a plot is not worth its lines.
pub(super) const WORTH: usize = 8;

/// Draws the cells.
pub(super) fn draw(look: Look, view: &ProcessScreen, grid: &Grid, area: Rect, buffer: &mut Buffer) {
    let width = grid.cell(0, area).width.saturating_sub(GUTTER);
    let canvas = Canvas {
        look,
        view,
        columns: width.into(),
        last: view.seen().history.last(),
    };
    canvas.goroutines(grid.cell(0, area), buffer);
    canvas.heap(grid.cell(1, area), buffer);
    canvas.collector(grid.cell(2, area), buffer);
    canvas.allocation(grid.cell(3, area), buffer);
    canvas.latency(grid.cell(4, area), buffer);
    canvas.activities(grid.cell(5, area), buffer);
}

/// What all cells need.
struct Canvas<'a> {
    look: Look,
    view: &'a ProcessScreen,
    columns: usize,
    last: Option<&'a Point>,
}

impl Canvas<'_> {
    fn values(&self, value: impl Fn(&Point) -> Option<f64>) -> Vec<Option<f64>> {
        let history = &self.view.seen().history;
        history.largest(self.columns, self.view.per_column(), value)
    }

    /// The title of a cell; gives the area of its plot.
    fn title(
        &self,
        name: &str,
        rest: Vec<(String, Style)>,
        area: Rect,
        buffer: &mut Buffer,
    ) -> Rect {
        let mut spans = vec![Span::styled(format!(" {name}"), self.look.title())];
        let mut left = usize::from(area.width).saturating_sub(name.len() + 1);
        for (text, style) in rest {
            let text = Span::styled(text, style);
            // Half a number would be another number.
            let Some(rest) = left.checked_sub(text.width() + 1) else {
                break;
            };
            left = rest;
            spans.push(Span::raw(" "));
            spans.push(text);
        }
        let (title, plot) = super::split::split_top(area, 1);
        Line::from(spans).render(title, buffer);
        plot
    }

    fn goroutines(&self, area: Rect, buffer: &mut Buffer) {
        let number = self.last.and_then(|point| point.goroutines);
        let mut title = vec![(whole(number), self.look.strong())];
        let first = self.view.seen().first_goroutines;
        if let Some((now, first)) = number.zip(first) {
            let grown = now.cast_signed().wrapping_sub(first.cast_signed());
            title.push((signed(grown), change(self.look, grown as f64)));
            let time = Duration::from_secs_f64(self.view.seen().at.max(0.0).round());
            title.push((format!("in {}", uptime(time)), self.look.dim()));
        }
        let plot = self.title("GOROUTINES", title, area, buffer);
        let values = self.values(|point| point.goroutines.map(|number| number as f64));
        let scale = Scale::around(values.iter().copied().flatten());
        let end = |value: f64| scaled(Some(value), 1000.0);
        Plot {
            ends: (end(scale.high), end(scale.low)),
            scale,
            bars: Series {
                values: &values,
                style: self.look.goroutines(),
            },
            behind: None,
            line: None,
        }
        .draw(self.look, plot, buffer);
    }

    fn heap(&self, area: Rect, buffer: &mut Buffer) {
        let live = self.last.and_then(|point| point.heap_live);
        let goal = self.last.and_then(|point| point.heap_goal);
        let limit = self.last.and_then(|point| point.memory_limit);
        let mut title = vec![
            (bytes(live), self.look.strong()),
            match goal {
                // GOGC=off.
                Some(NO_GOAL..) => ("no goal".to_owned(), self.look.dim()),
                goal => (format!("of goal {}", bytes(goal)), self.look.goal()),
            },
        ];
        if let Some(limit) = limit {
            title.push((format!("limit {}", human_bytes(limit)), self.look.dim()));
        }
        let plot = self.title("HEAP", title, area, buffer);
        let live = self.values(|point| point.heap_live.map(|bytes| bytes as f64));
        let goal = self.values(|point| {
            let goal = point.heap_goal.filter(|goal| *goal < NO_GOAL);
            goal.map(|bytes| bytes as f64)
        });
        let all = live.iter().chain(&goal).copied().flatten();
        let scale = Scale::from_zero(all, Round::Binary);
        Plot {
            ends: (scaled(Some(scale.high), 1024.0), "0".to_owned()),
            scale,
            bars: Series {
                values: &live,
                style: self.look.heap(),
            },
            behind: None,
            line: Some(Series {
                values: &goal,
                style: self.look.goal(),
            }),
        }
        .draw(self.look, plot, buffer);
    }

    fn allocation(&self, area: Rect, buffer: &mut Buffer) {
        let rate = self.last.and_then(|point| point.bytes_per_second);
        let objects = self.last.and_then(|point| point.objects_per_second);
        let rate = rate.map(|rate| rate.max(0.0) as u64);
        let title = vec![
            (format!("{}/s", bytes(rate)), self.look.strong()),
            (
                format!("{} objects/s", scaled(objects, 1000.0)),
                Style::new(),
            ),
        ];
        let plot = self.title("ALLOCATION", title, area, buffer);
        let values = self.values(|point| point.bytes_per_second);
        let scale = Scale::from_zero(values.iter().copied().flatten(), Round::Binary);
        Plot {
            ends: (
                format!("{}/s", scaled(Some(scale.high), 1024.0)),
                "0".to_owned(),
            ),
            scale,
            bars: Series {
                values: &values,
                style: self.look.allocation(),
            },
            behind: None,
            line: None,
        }
        .draw(self.look, plot, buffer);
    }

    /// Pauses as bars, and below them how many collections ended.
    fn collector(&self, area: Rect, buffer: &mut Buffer) {
        let known = self.last.is_some_and(|point| point.pauses_known);
        let values = self.values(|point| point.pause_max_ns.map(|ns| ns as f64));
        let longest = values.iter().copied().flatten().reduce(f64::max);
        let cycles = self.last.and_then(|point| point.gc_in_all);
        let more = self.last.and_then(|point| point.gc_cycles);
        let more = more.map_or("?".to_owned(), |more| compact(Some(more), 5));
        // As of the last cycle.
        let share = self.values(|point| point.gc_cpu);
        let share = share.into_iter().rev().flatten().next();
        let share = share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0));
        let title = vec![
            (format!("cycle {}", compact(cycles, 6)), self.look.strong()),
            (format!("(+{more})"), Style::new()),
            (
                format!("pauses {}", at_most(longest.map(|ns| ns as u64), known)),
                self.look.strong(),
            ),
            (format!("CPU {share}"), self.look.dim()),
        ];
        let plot = self.title("GC", title, area, buffer);
        if plot.height == 0 {
            return;
        }
        let (bars, marks) = super::split::split_bottom(plot, u16::from(plot.height > 1));
        let scale = Scale::from_zero(values.iter().copied().flatten(), Round::Decimal);
        Plot {
            ends: (duration(scale.high as u64), String::new()),
            scale,
            bars: Series {
                values: &values,
                style: self.look.pauses(),
            },
            behind: None,
            line: None,
        }
        .draw(self.look, bars, buffer);
        if !marks.is_empty() {
            self.marks(marks, buffer);
        }
    }

    fn marks(&self, area: Rect, buffer: &mut Buffer) {
        label("cycles", self.look, area, 0, buffer);
        let history = &self.view.seen().history;
        let columns = history.columns(self.columns, self.view.per_column());
        for (x, points) in (area.x + GUTTER..area.right()).zip(columns) {
            let cycles = points.iter().filter_map(|point| point.gc_cycles);
            let Some(cycles) = cycles.reduce(u64::saturating_add) else {
                continue;
            };
            let mark = match cycles {
                0 => "·".to_owned(),
                1..=9 => cycles.to_string(),
                _ => "+".to_owned(),
            };
            let style = match cycles {
                0 => self.look.dim(),
                _ => self.look.pauses(),
            };
            buffer.set_stringn(x, area.y, mark, 1, style);
        }
    }

    fn latency(&self, area: Rect, buffer: &mut Buffer) {
        let known = self.last.is_some_and(|point| point.latencies_known);
        let p50 = self.last.and_then(|point| point.latency_p50_ns);
        let p99 = self.last.and_then(|point| point.latency_p99_ns);
        let title = vec![
            (format!("p50 {}", at_most(p50, known)), Style::new()),
            (format!("p99 {}", at_most(p99, known)), self.look.strong()),
            ("of all".to_owned(), self.look.dim()),
        ];
        let plot = self.title("LATENCY", title, area, buffer);
        let p50 = self.values(|point| point.latency_p50_ns.map(|ns| ns as f64));
        let p99 = self.values(|point| point.latency_p99_ns.map(|ns| ns as f64));
        let all = p50.iter().chain(&p99).copied().flatten();
        let scale = Scale::logarithmic(all);
        let end = |ns: f64| short_duration(ns);
        Plot {
            ends: (end(scale.high), end(scale.low)),
            scale,
            bars: Series {
                values: &p50,
                style: self.look.allocation(),
            },
            behind: Some(Series {
                values: &p99,
                style: self.look.latency(),
            }),
            line: None,
        }
        .draw(self.look, plot, buffer);
    }

    /// What goroutines do, most first.
    fn activities(&self, area: Rect, buffer: &mut Buffer) {
        let census = self.view.seen().census.as_ref();
        let mut title = Vec::new();
        if let Some(census) = census {
            title.push((
                format!("of {}", compact(Some(census.total), 7)),
                self.look.strong(),
            ));
            if census.missing > 0 {
                title.push((format!("{} unread", census.missing), self.look.warning()));
            }
        }
        let plot = self.title("STATES", title, area, buffer);
        let Some(census) = census.filter(|_| !plot.is_empty()) else {
            return;
        };
        let lines = usize::from(plot.height);
        let shown = if census.activities.len() > lines {
            lines - 1
        } else {
            lines
        };
        let mut rows: Vec<(String, u64)> = census
            .activities
            .iter()
            .take(shown)
            .map(|(activity, count)| (activity.to_string(), *count))
            .collect();
        let rest = census.activities.get(shown..).unwrap_or_default();
        if !rest.is_empty() {
            let count = rest.iter().map(|(_, count)| count).sum();
            rows.push((format!("{} others", rest.len()), count));
        }
        let name = 16;
        let number = 7;
        let left = usize::from(plot.width).saturating_sub(name + number + 3);
        for (y, (activity, count)) in (plot.y..).zip(rows) {
            let bar = bar(count as f64 / census.total.max(1) as f64, left);
            let activity = crate::tui::table::beginning(&activity, name);
            let text = format!(" {activity:<name$} {:>number$} ", compact(Some(count), 7));
            let (x, _) = buffer.set_stringn(plot.x, y, text, plot.width.into(), Style::new());
            buffer.set_stringn(x, y, bar, left, self.look.goroutines());
        }
    }
}
