//! How long goroutines run, by start function: what probes found.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;
use ratatui::widgets::Widget;
use ratatui::widgets::Wrap;
use unicode_width::UnicodeWidthStr;

use crate::model::foreign;
use crate::model::human::compact;
use crate::model::human::duration;
use crate::model::human::scaled;
use crate::model::top::FunctionTimes;
use crate::model::top::Probes;
use crate::tui::choices::Panel;
use crate::tui::look::Look;
use crate::tui::process::ProcessScreen;
use crate::tui::table;
use crate::tui::table::Cell;
use crate::tui::table::Column;
use crate::tui::table::Set;
use crate::tui::table::beginning;

use super::goroutines::without_path;
use super::split::split_top;
use super::tabs::since_set;
use super::tabs::time;

/// Columns of everything but the name, spaces included.
const FIXED: usize = 46;

/// From here on names of functions are shown with the paths of their packages.
const WIDE: u16 = 110;

/// Draws it.
pub(super) fn draw(look: Look, view: &ProcessScreen, area: Rect, buffer: &mut Buffer) {
    let panel = view.panel(Probes::Lifetimes);
    let (line, area) = split_top(area, 1);
    let lifetimes = &view.seen().lifetimes;
    let is_empty = lifetimes.functions.is_empty() && lifetimes.unseen == 0;
    if !panel.is_running() && is_empty {
        let about = "Shows which goroutines end, how many, and how long they ran. This takes probes: \
                     two hits for each goroutine that is created and ends, a microsecond or two each.";
        invite(look, 'l', panel, about, area, buffer);
        return;
    }
    let mut facts = vec![state(panel, 'l'), since_set(panel)];
    if lifetimes.elapsed.as_secs() > 0 {
        facts.push(format!("in {}", time(lifetimes.elapsed)));
    }
    if lifetimes.unseen > 0 {
        facts.push(format!("{} more not timed", lifetimes.unseen));
    }
    if lifetimes.lost > 0 {
        facts.push(format!("{} lost", lifetimes.lost));
    }
    status(look, panel, &facts, line, buffer);
    let seconds = lifetimes.elapsed.as_secs_f64().max(1e-9);
    let column = |heading, width, set| Column {
        heading,
        width,
        set,
        sorted: heading == "ENDED",
    };
    let name = usize::from(area.width).saturating_sub(FIXED);
    let columns = [
        column("ENDED", 9, Set::Right),
        column("/S", 6, Set::Right),
        column("P50", 8, Set::Right),
        column("P99", 8, Set::Right),
        column("MAX", 8, Set::Right),
        column("FUNCTION", name, Set::Name),
    ];
    let at_most = |ns: Option<u64>| ns.map_or("?".to_owned(), |ns| format!("≤{}", duration(ns)));
    let name_of = |function: &FunctionTimes| match area.width >= WIDE {
        true => function.name.clone(),
        false => without_path(&function.name).to_owned(),
    };
    let rows: Vec<Vec<Cell>> = view
        .lifetimes()
        .into_iter()
        .map(|function| {
            let rate = scaled(Some(function.ended as f64 / seconds), 1000.0);
            vec![
                (compact(Some(function.ended), 9), look.strong()),
                (rate, Style::new()),
                (at_most(function.p50_ns), Style::new()),
                (at_most(function.p99_ns), Style::new()),
                (duration(function.max_ns), Style::new()),
                (name_of(function), Style::new()),
            ]
        })
        .collect();
    table::draw(
        look,
        area,
        buffer,
        &columns,
        &rows,
        Some(view.selected(&[])),
    );
}

/// What probes would show, and the key that sets them.
pub(super) fn invite(
    look: Look,
    key: char,
    panel: &Panel,
    about: &str,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut lines = vec![Line::raw(about), Line::raw("")];
    match panel {
        Panel::Failed(why) => {
            lines.push(Line::styled(foreign::line(why).into_owned(), look.alarm()));
            lines.push(Line::raw(format!("{key} tries again.")));
        }
        Panel::Stopping => lines.push(Line::raw("Taking the probes away…")),
        _ => lines.push(Line::styled(format!("{key} starts it."), look.strong())),
    }
    let area = Rect {
        x: area.x + 2,
        width: area.width.saturating_sub(4),
        ..area
    };
    Paragraph::new(lines)
        .wrap(Wrap { trim: true })
        .render(area, buffer);
}

/// In what state the probes are, and which key changes that.
pub(super) fn state(panel: &Panel, key: char) -> String {
    match panel {
        Panel::Off => format!("stopped; {key} starts it anew"),
        Panel::Starting => "setting probes…".to_owned(),
        Panel::On(_) => format!("probes are set; {key} takes them away"),
        Panel::Stopping => "taking the probes away…".to_owned(),
        Panel::Failed(why) => why.clone(),
    }
}

/// The line above what probes found.
pub(super) fn status(look: Look, panel: &Panel, facts: &[String], line: Rect, buffer: &mut Buffer) {
    let known: Vec<&str> = facts
        .iter()
        .map(String::as_str)
        .filter(|fact| !fact.is_empty())
        .collect();
    let style = match panel {
        Panel::Failed(_) => look.alarm(),
        Panel::On(_) => look.warning(),
        _ => look.dim(),
    };
    let width = usize::from(line.width);
    let mut text = format!(" {}", known.join("  "));
    if text.width() > width {
        text = beginning(&text, width - 1) + "…";
    }
    buffer.set_stringn(line.x, line.y, text, line.width.into(), style);
}
