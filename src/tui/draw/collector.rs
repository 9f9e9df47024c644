//! What the garbage collector does, event by event: what probes found.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::gc::GcEvent;
use crate::model::human::counted;
use crate::model::human::duration;
use crate::model::human::human_bytes;
use crate::model::top::Probes;
use crate::tui::look::Look;
use crate::tui::process::ProcessScreen;
use crate::tui::table;
use crate::tui::table::Cell;
use crate::tui::table::Column;
use crate::tui::table::Set;

use super::lifetimes::invite;
use super::lifetimes::state;
use super::lifetimes::status;
use super::split::split_top;
use super::tabs::since_set;

/// Draws it.
pub(super) fn draw(look: Look, view: &ProcessScreen, area: Rect, buffer: &mut Buffer) {
    let panel = view.panel(Probes::Collector);
    let (line, area) = split_top(area, 1);
    let seen = view.seen();
    if !panel.is_running() && seen.events.is_empty() {
        let about = "Shows each stop of the world with its reason, each mark and each sweep with its time. \
                     This takes probes: about seven hits for each collection, a microsecond or two each.";
        invite(look, 'g', panel, about, area, buffer);
        return;
    }
    let mut facts = vec![
        state(panel, 'g'),
        since_set(panel),
        counted(seen.events_in_all, "event"),
    ];
    if seen.events_lost > 0 {
        facts.push(format!("{} lost", seen.events_lost));
    }
    status(look, panel, &facts, line, buffer);
    let column = |heading, width, set| Column {
        heading,
        width,
        set,
        sorted: false,
    };
    let columns = [
        column("EVENT", 5, Set::Left),
        column("CYCLE", 6, Set::Right),
        column("TIME", 7, Set::Right),
        column("STOPPING", 8, Set::Right),
        column("STOPPED", 7, Set::Right),
        column("TRIGGER/REASON", 20, Set::Left),
        column("HEAP", 21, Set::Left),
    ];
    // The latest first: that is what one waits for.
    let rows: Vec<Vec<Cell>> = seen
        .events
        .iter()
        .rev()
        .map(|event| cells(look, event))
        .collect();
    let selected = Some(view.selected(&[]));
    table::draw(look, area, buffer, &columns, &rows, selected);
}

fn cells(look: Look, event: &GcEvent) -> Vec<Cell> {
    let plain = |text: String| (text, Style::new());
    let none = || plain("-".to_owned());
    let time = |ns: Option<u64>| plain(ns.map_or("?".to_owned(), duration));
    match event {
        GcEvent::Stw(stw) => vec![
            ("stw".to_owned(), look.pauses()),
            plain(stw.cycle.map_or("-".to_owned(), |cycle| cycle.to_string())),
            (duration(stw.duration_ns()), look.strong()),
            time(stw.stopping_ns()),
            time(stw.standing_ns()),
            plain(stw.reason.clone().unwrap_or("?".to_owned())),
            none(),
        ],
        GcEvent::Cycle(cycle) => vec![
            ("mark".to_owned(), look.heap()),
            plain(cycle.cycle.to_string()),
            (duration(cycle.mark_duration_ns()), look.strong()),
            none(),
            none(),
            plain(
                cycle
                    .known_trigger()
                    .map_or("?", |trigger| trigger.name())
                    .to_owned(),
            ),
            plain(format!(
                "{} → {}",
                human_bytes(cycle.heap_before),
                human_bytes(cycle.heap_after)
            )),
        ],
        GcEvent::Sweep(sweep) => vec![
            ("sweep".to_owned(), look.dim()),
            plain(sweep.cycle.to_string()),
            (duration(sweep.duration_ns()), look.strong()),
            none(),
            none(),
            plain(match sweep.finished {
                true => "-".to_owned(),
                false => "unfinished".to_owned(),
            }),
            none(),
        ],
    }
}
