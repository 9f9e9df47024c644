//! `ps`: a row per Go process.

use crate::model::foreign;
use crate::model::human::compact;
use crate::model::human::human_bytes;
use crate::model::human::uptime;
use crate::model::ps::GoProcess;

use super::json::Object;
use super::style::Style;
use super::table::{Column, Fit, Row, columns};

/// COMMAND comes last: it is as long as it is. Which module a program was built from is left out first.
const COLUMNS: [Column; 9] = [
    Column::new("PID", 7),
    Column::new("USER", 16).least(8),
    Column::new("GO", 8),
    Column::new("GOROS", 6),
    Column::new("HEAP", 8),
    Column::new("GC", 5),
    Column::new("UP", 5),
    Column::new("MODULE", 30).least(20).rank(1),
    Column::new("COMMAND", 22),
];

/// The columns as they are drawn.
pub fn fit(style: Style) -> Fit {
    Fit::of(COLUMNS, style)
}

/// The table.
pub fn text(out: &mut Vec<u8>, processes: &[GoProcess], fit: &Fit) {
    fit.heading(out);
    for process in processes {
        let version = process.go_version.as_deref().unwrap_or("?");
        let heap = process.heap_bytes.map(human_bytes);
        let known = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
        let command = command(process, fit.last_room());
        let module = match (&process.module, &process.module_version) {
            (Some(module), Some(version)) => format!("{module} {version}"),
            (Some(module), None) => module.clone(),
            (None, _) if process.go_version.is_none() => "?".to_owned(),
            (None, _) => "-".to_owned(),
        };
        Row::begin(out, fit)
            .number(u64::try_from(process.pid).ok())
            .cell(&process.user)
            .cell(version.trim_start_matches("go"))
            .figure(&compact(process.goroutines, 6))
            .figure(&known(heap))
            .figure(&compact(process.gc_cycles, 5))
            .figure(&known(process.uptime.map(uptime)))
            .cell(&module)
            .cell(&command)
            .end();
    }
}

/// The command and the container that it runs in. On a terminal the end of a long command is cut, not its beginning.
fn command(process: &GoProcess, room: Option<usize>) -> String {
    let container = process.container.as_deref();
    let mut container = container.map_or_else(String::new, |id| format!(" [{}]", short(id)));
    if process.fork_copy {
        container.push_str(" (fork)");
    }
    let room = room.map_or(usize::MAX, |room| room.saturating_sub(container.len()));
    if columns(&foreign::shown(&process.command)) <= room {
        return process.command.clone() + &container;
    }
    // Which program it is says more than where it lies.
    let (program, rest) = process
        .command
        .split_once(' ')
        .unwrap_or((&process.command, ""));
    let name = program.rsplit('/').next().unwrap_or(program);
    let short = format!("{name} {rest}");
    let mut used = 0;
    let fitting = short.chars().take_while(|c| {
        used += columns(&foreign::shown(c.encode_utf8(&mut [0; 4])));
        used <= room
    });
    fitting.collect::<String>().trim_end().to_owned() + &container
}

/// Container ids are told apart by their first twelve digits, as docker and podman show them.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// One object per process.
pub fn json(out: &mut Vec<u8>, processes: &[GoProcess]) {
    for process in processes {
        let mut object = Object::begin(out);
        object
            .number_or_null("pid", u64::try_from(process.pid).ok())
            .text("user", &process.user)
            .text_or_null("go_version", process.go_version.as_deref())
            .text_or_null("module", process.module.as_deref())
            .text_or_null("module_version", process.module_version.as_deref())
            .number_or_null("goroutines", process.goroutines)
            .number_or_null("heap_bytes", process.heap_bytes)
            .number_or_null("gc_cycles", process.gc_cycles)
            .number_or_null("uptime_seconds", process.uptime.map(|time| time.as_secs()))
            .text_or_null("container", process.container.as_deref())
            .text("command", &process.command)
            .truth("fork_copy", process.fork_copy)
            .text_or_null("unread", process.unread.as_deref());
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample() -> GoProcess {
        GoProcess {
            pid: 4242,
            user: "prometheus".to_owned(),
            go_version: Some("go1.19.8".to_owned()),
            module: Some("github.com/prometheus/prometheus".to_owned()),
            module_version: Some("(devel)".to_owned()),
            goroutines: Some(37),
            heap_bytes: Some(48 << 20),
            gc_cycles: Some(12),
            uptime: Some(Duration::from_secs(7300)),
            container: Some("0123456789abcdef".repeat(4)),
            command: "/usr/bin/prometheus --web.listen-address=:9090".to_owned(),
            fork_copy: false,
            unread: None,
        }
    }

    #[test]
    fn a_mere_copy_is_marked() {
        let copy = GoProcess {
            fork_copy: true,
            ..sample()
        };
        assert!(command(&copy, None).ends_with(" (fork)"));
        assert!(!command(&sample(), None).contains("(fork)"));
    }

    #[test]
    fn a_row_fits_into_eighty_columns() {
        let style = Style {
            width: Some(80),
            ..Style::PLAIN
        };
        let mut out = Vec::new();
        text(&mut out, &[sample()], &fit(style));
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        assert!(text.contains("4242") && text.contains("48.0 MiB") && text.contains("2h"));
        assert!(text.contains("[0123456789ab]"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_a_question_mark() {
        let process = GoProcess {
            pid: 1,
            user: "root".to_owned(),
            command: "/sbin/agent".to_owned(),
            ..GoProcess::default()
        };
        let mut out = Vec::new();
        text(&mut out, &[process], &fit(Style::PLAIN));
        let text = String::from_utf8(out).unwrap();
        let words: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        let expected = ["1", "root", "?", "?", "?", "?", "?", "?", "/sbin/agent"];
        assert_eq!(words, expected);
    }

    #[test]
    fn json_says_what_is_not_known() {
        let mut out = Vec::new();
        let unread = GoProcess {
            unread: Some("Yama".to_owned()),
            goroutines: None,
            ..sample()
        };
        json(&mut out, &[unread]);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["goroutines"], serde_json::Value::Null);
        assert_eq!(value["unread"], "Yama");
    }
}
