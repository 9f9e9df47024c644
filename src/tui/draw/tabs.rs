//! The line between the halves: what the lower one shows, and what the probes cost.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Widget;

use crate::model::cost::Cost;
use crate::model::human::compact;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::top::Probes;
use crate::model::top::RunCost;
use crate::tui::choices::Panel;
use crate::tui::choices::Tab;
use crate::tui::look::Look;
use crate::tui::process::ProcessScreen;

/// CPU time of which a share can be told: the kernel counts it in steps of 10 ms.
const TELLING_NS: u64 = 200_000_000;

/// Draws it.
pub(super) fn draw(look: Look, view: &ProcessScreen, area: Rect, buffer: &mut Buffer) {
    let mut spans = Vec::new();
    for (number, tab) in (1..).zip(Tab::ALL) {
        let style = match tab == view.tab {
            true => look.selected(),
            false => look.dim(),
        };
        spans.push(Span::raw(" "));
        spans.push(Span::styled(format!("{number} {}", name(tab)), style));
    }
    let left = Line::from(spans);
    let (text, dear) = cost(view);
    let style = if dear { look.warning() } else { look.dim() };
    let right = Line::styled(text + " ", style).right_aligned();
    let used = left.width() + right.width() + 1;
    left.render(area, buffer);
    if used <= usize::from(area.width) {
        right.render(area, buffer);
    }
}

fn name(tab: Tab) -> &'static str {
    match tab {
        Tab::Sites => "created by",
        Tab::Functions => "functions",
        Tab::Lifetimes => "lifetimes",
        Tab::Collector => "gc events",
    }
}

/// What all probes cost, and whether there are any.
fn cost(view: &ProcessScreen) -> (String, bool) {
    let panels = [Probes::Lifetimes, Probes::Collector].map(|probes| view.panel(probes));
    if panels.iter().any(|panel| **panel == Panel::Starting) {
        return ("setting probes…".to_owned(), true);
    }
    let running: Vec<&RunCost> = panels
        .iter()
        .filter_map(|panel| match panel {
            Panel::On(Some(cost)) => Some(cost),
            _ => None,
        })
        .collect();
    if !panels.iter().any(|panel| panel.is_running()) {
        return ("no probe set: no cost".to_owned(), false);
    }
    let last = running.iter().filter_map(|it| it.last_second);
    let hits = last.map(|cost| cost.hits).sum();
    let share = running
        .iter()
        .map(|cost| share(cost))
        .try_fold(0.0, |sum, share| Some(sum + share?));
    let share = match share.filter(|_| !running.is_empty()) {
        Some(share) => format!("{:.1} %", share * 100.0),
        None => "? %".to_owned(),
    };
    (
        format!("{} hits/s, {share} of its CPU", compact(Some(hits), 5)),
        true,
    )
}

/// The part of the CPU time of the process, lately; since they were set if it uses so little that a second does not tell.
fn share(cost: &RunCost) -> Option<f64> {
    let tells = |last: &Cost| last.hits == 0 || last.cpu_ns >= TELLING_NS;
    let last = cost.last_second.filter(tells);
    last.unwrap_or(cost.whole).share()
}

/// What probes have cost since they were set.
pub(super) fn since_set(panel: &Panel) -> String {
    let Panel::On(Some(cost)) = panel else {
        return String::new();
    };
    let whole = cost.whole;
    let each = whole.per_hit_ns();
    let each = each.map_or("?".to_owned(), |ns| duration(ns as u64));
    format!("{} of about {each}", counted(whole.hits, "hit"))
}

/// `2m`: how long.
pub(super) fn time(elapsed: Duration) -> String {
    crate::model::human::uptime(elapsed)
}
