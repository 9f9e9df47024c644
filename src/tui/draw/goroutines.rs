//! Goroutines by where they were created, or by start function.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::model::census::Origin;
use crate::model::human::compact;
use crate::model::human::scaled;
use crate::model::human::uptime;
use crate::tui::choices::Row;
use crate::tui::choices::Sort;
use crate::tui::choices::Tab;
use crate::tui::look::Look;
use crate::tui::process::ProcessScreen;
use crate::tui::table;
use crate::tui::table::Cell;
use crate::tui::table::Column;
use crate::tui::table::Set;

use super::figures::change;

/// Columns of everything but the names, spaces included.
const FIXED: usize = 41;
/// Columns of what they do, and how many more where there is room.
const MOSTLY: usize = 14;
const MORE: usize = 8;
/// From here on the creating function is shown too.
const WIDE: usize = 110;
/// Columns of `server.go:142`.
const PLACE: usize = 17;

/// Draws them.
pub(super) fn draw(look: Look, view: &ProcessScreen, area: Rect, buffer: &mut Buffer) {
    let rows = view.rows();
    table(look, view, area, buffer, Some(view.selected(&rows)));
}

/// The same, with this row marked.
pub(super) fn table(
    look: Look,
    view: &ProcessScreen,
    area: Rect,
    buffer: &mut Buffer,
    selected: Option<usize>,
) {
    let rows = view.rows();
    let now_ns = view.seen().census_at.0;
    let width = usize::from(area.width);
    let names = width.saturating_sub(FIXED);
    let is_wide = width >= WIDE;
    let (mostly, names) = match is_wide {
        true => (MOSTLY + MORE, names - MORE),
        false => (MOSTLY, names),
    };
    let place = PLACE.min(names / 2);
    let column = |heading, width, set, sort: Option<Sort>| Column {
        heading,
        width,
        set,
        sorted: sort == Some(view.sort),
    };
    let mut columns = vec![
        column("GOROS", 6, Set::Right, Some(Sort::Count)),
        column("GROWN", 6, Set::Right, Some(Sort::Growth)),
        column("/S", 5, Set::Right, Some(Sort::Rate)),
        column("WAIT", 4, Set::Right, Some(Sort::Waiting)),
        column("MOSTLY", mostly, Set::Left, Some(Sort::Activity)),
    ];
    let start = if is_wide { names / 2 } else { names - place };
    columns.push(column("FUNCTION", start, Set::Name, Some(Sort::Function)));
    if is_wide {
        let creator = (names - start).saturating_sub(place + 1);
        columns.push(column("CREATED BY", creator, Set::Name, None));
    }
    columns.push(column("CREATED AT", place, Set::Name, None));
    let cells: Vec<Vec<Cell>> = rows
        .iter()
        .map(|row| cells(look, view.tab, row, now_ns, is_wide))
        .collect();
    if rows.is_empty() {
        let text = match (view.filter.pattern(), &view.seen().census) {
            (Some(pattern), Some(_)) => format!("nothing matches {pattern}; Esc shows all"),
            (_, Some(_)) => "there are no goroutines".to_owned(),
            (_, None) => "goroutines could not be listed yet".to_owned(),
        };
        buffer.set_stringn(area.x + 1, area.y + 1, text, width, look.dim());
    }
    table::draw(look, area, buffer, &columns, &cells, selected);
}

fn cells(look: Look, tab: Tab, row: &Row, now_ns: Option<u64>, is_wide: bool) -> Vec<Cell> {
    let rate = row.per_second;
    let waited = now_ns.zip(row.since_ns);
    let waited = waited.map(|(now, since)| now.saturating_sub(since));
    let waited = waited.map(|ns| uptime(std::time::Duration::from_nanos(ns)));
    let (activity, active) = &row.activity;
    let not_waiting = match &**activity {
        "running" | "runnable" => "-",
        _ => "?",
    };
    let mostly = match *active == row.count || !is_wide {
        true => activity.to_string(),
        // Not all of them.
        false => format!("{} {activity}", compact(Some(*active), 4)),
    };
    let start = row.start.as_deref().unwrap_or("?");
    let start = match is_wide {
        true => start.to_owned(),
        false => without_path(start).to_owned(),
    };
    let mut cells = vec![
        (compact(Some(row.count), 6), look.strong()),
        (short_signed(row.grown), change(look, row.grown as f64)),
        (per_second(rate), change(look, rate.unwrap_or(0.0))),
        (waited.unwrap_or(not_waiting.to_owned()), Style::new()),
        (mostly, Style::new()),
        (start, Style::new()),
    ];
    let origin = row.origin.as_ref();
    if is_wide {
        let creator = origin.and_then(|origin| origin.creator.as_deref());
        cells.push((creator.unwrap_or_default().to_owned(), look.dim()));
    }
    let place = match tab {
        Tab::Functions if row.origins > 1 => format!("{} places", row.origins),
        _ => origin.and_then(Origin::created_at).unwrap_or_default(),
    };
    cells.push((place, look.dim()));
    cells
}

/// `run.(*Group).Run`: a function without the directories of its package.
pub(super) fn without_path(name: &str) -> &str {
    let path = name.find(['(', '[']).unwrap_or(name.len());
    let slash = name.get(..path).and_then(|path| path.rfind('/'));
    slash.and_then(|at| name.get(at + 1..)).unwrap_or(name)
}

/// `+3.2`, `-0.1`, `+1.2k`; `?` as long as there was only one count.
fn per_second(rate: Option<f64>) -> String {
    let Some(rate) = rate else {
        return "?".to_owned();
    };
    let size = rate.abs();
    let sign = if rate < 0.0 { '-' } else { '+' };
    if size < 0.05 {
        return "0".to_owned();
    }
    let text = match size < 99.95 {
        true => format!("{size:.1}"),
        false => scaled(Some(size), 1000.0),
    };
    format!("{sign}{text}")
}

/// `+12`, `-3`, `+0`, `+1.2k`: in six characters.
pub(super) fn short_signed(number: i64) -> String {
    let text = format!("{number:+}");
    if text.len() <= 6 {
        return text;
    }
    let sign = if number < 0 { '-' } else { '+' };
    format!(
        "{sign}{}",
        scaled(Some(number.unsigned_abs() as f64), 1000.0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_by_their_last_part() {
        for (name, expected) in [
            ("main.main", "main.main"),
            (
                "github.com/oklog/run.(*Group).Run.func2",
                "run.(*Group).Run.func2",
            ),
            (
                "slices.SortFunc[go.shape.[]a/b.C,x/y.Z]",
                "slices.SortFunc[go.shape.[]a/b.C,x/y.Z]",
            ),
            ("?", "?"),
        ] {
            assert_eq!(without_path(name), expected);
        }
    }

    #[test]
    fn changes_are_short() {
        assert_eq!(short_signed(0), "+0");
        assert_eq!(short_signed(-99_999), "-99999");
        assert_eq!(short_signed(1_234_567), "+1.2M");
        assert_eq!(short_signed(i64::MIN), "-9.2E");
        assert_eq!(per_second(Some(0.01)), "0");
        assert_eq!(per_second(Some(-3.21)), "-3.2");
        assert_eq!(per_second(Some(123.0)), "+123");
        assert_eq!(per_second(None), "?");
    }
}
