//! The first lines: which process, and what is the matter with it.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::model::foreign;
use crate::model::human::compact;
use crate::model::human::counted;
use crate::model::human::uptime;
use crate::tui::choices::End;
use crate::tui::look::Look;
use crate::tui::process::ProcessScreen;
use crate::tui::table::beginning;

use super::split::split_top;

/// Columns of the name at least.
const NAME: usize = 10;

/// Draws them, and gives what is left of the area.
pub(super) fn draw(
    look: Look,
    view: &ProcessScreen,
    interval: Duration,
    area: Rect,
    buffer: &mut Buffer,
) -> Rect {
    let (line, mut rest) = split_top(area, 1);
    let seen = view.seen();
    let who = &view.who;
    let point = seen.history.last();
    let known = |value: Option<u64>| compact(value, 5);
    let version = foreign::shown(who.go_version.as_deref().unwrap_or("go ?"));
    let mut facts = vec![format!("pid {}", who.pid), version.into_owned()];
    if let Some(time) = seen.uptime {
        facts.push(format!("up {}", uptime(time)));
    }
    if let Some(point) = point {
        facts.push(format!("CPU {}", cpu(point.cpu)));
        facts.push(format!("{} P", point.processors));
        facts.push(match point.threads {
            Some(threads) => counted(threads, "thread"),
            None => "? threads".to_owned(),
        });
        facts.push(format!("{} runnable", known(point.runnable)));
    }
    // The last ones are left out where there is no room for them, and before that the end of the name.
    let width = usize::from(area.width);
    let name = beginning(&who.name, width.saturating_sub(total(&facts)).max(NAME));
    while total(&facts) + name.width() > width && facts.pop().is_some() {}
    Line::from(vec![
        Span::raw(" "),
        Span::styled(name, look.title()),
        Span::raw("  "),
        Span::raw(facts.join("  ")),
    ])
    .render(line, buffer);
    if let Some(text) = banner(view, interval) {
        let (line, below) = split_top(rest, 1);
        rest = below;
        let style = match view.end {
            Some(_) => look.alarm(),
            None => look.warning(),
        };
        buffer.set_style(line, look.selected());
        let text = format!(" {}", foreign::line(&text));
        buffer.set_stringn(line.x, line.y, text, line.width.into(), style);
    }
    rest
}

/// Columns that these take, with the spaces before them and the one before the name.
fn total(facts: &[String]) -> usize {
    facts.iter().map(|fact| fact.width() + 2).sum::<usize>() + 1
}

/// `0.3 %` of one processor; more than 100 if it uses several.
pub(super) fn cpu(share: Option<f64>) -> String {
    match share {
        None => "?".to_owned(),
        Some(share) if share >= 0.0995 => format!("{:.0} %", share * 100.0),
        Some(share) => format!("{:.1} %", share * 100.0),
    }
}

/// What one must know to read the picture.
fn banner(view: &ProcessScreen, interval: Duration) -> Option<String> {
    let pid = view.who.pid;
    let seconds = Duration::from_secs_f64(view.ended_for().max(0.0));
    let ago = uptime(seconds);
    match &view.end {
        Some((End::Gone, _)) => {
            return Some(format!(
                "process {pid} has ended {ago} ago: this is the last picture of it"
            ));
        }
        Some((End::Replaced, _)) => {
            return Some(format!(
                "process {pid} has replaced itself by exec {ago} ago: o looks at what it is now"
            ));
        }
        Some((End::Unreadable(why), _)) => return Some(why.clone()),
        None => {}
    }
    if view.is_paused() {
        return Some("paused: space goes on; what happens meanwhile is kept".to_owned());
    }
    let seen = view.seen();
    if seen.history.ends_in_gap() {
        return Some("it did not hold still to be read: what is shown is older".to_owned());
    }
    // Counting many goroutines takes time, which is limited.
    let age = seen.at - seen.census_at.1;
    if seen.census.is_some() && age > 1.5 * interval.as_secs_f64() {
        return Some(format!("goroutines were last listed {age:.0} s ago"));
    }
    None
}
