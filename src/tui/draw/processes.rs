//! The list of all Go processes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::text::Span;
use ratatui::widgets::Widget;

use crate::model::human::compact;
use crate::model::human::human_bytes;
use crate::model::human::uptime;
use crate::tui::look::Look;
use crate::tui::processes::Row;
use crate::tui::processes::Sort;
use crate::tui::state::State;
use crate::tui::table;
use crate::tui::table::Cell;
use crate::tui::table::Column;
use crate::tui::table::Set;

use super::figures::change;
use super::goroutines::short_signed;
use super::header::cpu;
use super::split::split_top;

/// Columns of everything but the command, spaces included.
const FIXED: usize = 54;
/// From here on the user is shown too.
const WIDE: u16 = 100;
/// Columns of the user, with the space.
const USER: usize = 9;

/// Draws it.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let look = state.look;
    let list = &state.list;
    let rows = list.rows();
    let (line, area) = split_top(area, 1);
    let mut title = vec![
        Span::styled(" Go processes", look.title()),
        Span::styled(format!("  {}", list.len()), look.strong()),
    ];
    if rows.len() != list.len() {
        title.push(Span::raw(format!(", {} shown", rows.len())));
    }
    if list.closed > 0 {
        let many = if list.closed == 1 {
            "process"
        } else {
            "processes"
        };
        let text = format!(
            "  {} more {many} may not be looked at, Go or not",
            list.closed
        );
        title.push(Span::styled(text, look.dim()));
    }
    if list.hidden {
        let text = "  hidepid: those of other users are not listed";
        title.push(Span::styled(text, look.dim()));
    }
    Line::from(title).render(line, buffer);
    let is_wide = area.width >= WIDE;
    let user = if is_wide { USER } else { 0 };
    let width = usize::from(area.width).saturating_sub(FIXED + user);
    let column = |heading, width, set, sort: Option<Sort>| Column {
        heading,
        width,
        set,
        sorted: sort == Some(list.sort),
    };
    let mut columns = vec![
        column("PID", 7, Set::Right, Some(Sort::Pid)),
        column("GO", 8, Set::Left, None),
        column("GOROS", 6, Set::Right, Some(Sort::Goroutines)),
        column("GROWN", 6, Set::Right, Some(Sort::Growth)),
        column("HEAP", 8, Set::Right, Some(Sort::Heap)),
        column("GC", 4, Set::Right, Some(Sort::Collections)),
        column("CPU", 5, Set::Right, Some(Sort::Cpu)),
        column("UP", 4, Set::Right, Some(Sort::Uptime)),
        column("COMMAND", width, Set::Left, Some(Sort::Command)),
    ];
    if is_wide {
        columns.insert(1, column("USER", USER - 1, Set::Left, None));
    }
    if rows.is_empty() {
        let text = match (list.filter.pattern(), list.filled) {
            (Some(pattern), _) => format!("nothing matches {pattern}; Esc shows all"),
            (None, true) => "no Go process to list".to_owned(),
            (None, false) => "looking…".to_owned(),
        };
        buffer.set_stringn(area.x + 1, area.y + 1, text, area.width.into(), look.dim());
    }
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| cells(look, row, is_wide)).collect();
    let selected = list.selection.index(&list.keys());
    table::draw(look, area, buffer, &columns, &cells, Some(selected));
}

fn cells(look: Look, row: &Row<'_>, is_wide: bool) -> Vec<Cell> {
    let process = &row.listed.process;
    let plain = |text: String| (text, Style::new());
    let known = |text: Option<String>| plain(text.unwrap_or_else(|| "?".to_owned()));
    let version = process.go_version.as_deref();
    let grown = row.grown;
    let fork = if process.fork_copy { " (fork)" } else { "" };
    let mut cells = vec![
        plain(process.pid.to_string()),
        known(version.map(|version| version.trim_start_matches("go").to_owned())),
        (compact(process.goroutines, 6), look.strong()),
        (
            grown.map_or("?".to_owned(), short_signed),
            change(look, grown.unwrap_or(0) as f64),
        ),
        known(process.heap_bytes.map(human_bytes)),
        plain(compact(process.gc_cycles, 4)),
        plain(cpu(row.listed.cpu)),
        known(process.uptime.map(uptime)),
        plain(command(&process.command) + fork),
    ];
    if is_wide {
        cells.insert(1, plain(process.user.clone()));
    }
    cells
}

/// The command, without the directories of its program: which it is says more than where it lies.
fn command(command: &str) -> String {
    let (program, rest) = command.split_once(' ').unwrap_or((command, ""));
    let name = program.rsplit('/').next().unwrap_or(program);
    format!("{name} {rest}").trim_end().to_owned()
}
