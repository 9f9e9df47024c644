//! Figures in few characters.

use ratatui::style::Style;

use crate::model::human::duration;
use crate::model::human::human_bytes;
use crate::tui::look::Look;

/// A bar that lies, an eighth of a column fine.
pub(super) fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let eighths = eighths.max(usize::from(share > 0.0));
    let rest = EIGHTHS.get(eighths % 8).unwrap_or(&"");
    "█".repeat(eighths / 8) + rest
}

pub(super) fn whole(number: Option<u64>) -> String {
    number.map_or("?".to_owned(), |number| number.to_string())
}

pub(super) fn bytes(number: Option<u64>) -> String {
    number.map_or("?".to_owned(), human_bytes)
}

/// `≤1.2ms`; `-` if there was none, `?` if that cannot be known.
pub(super) fn at_most(ns: Option<u64>, known: bool) -> String {
    match ns {
        Some(ns) => format!("≤{}", duration(ns)),
        None if known => "-".to_owned(),
        None => "?".to_owned(),
    }
}

/// `1µs`, `10ms`: an end of an axis of decades.
pub(super) fn short_duration(ns: f64) -> String {
    const UNITS: [(&str, f64); 3] = [("s", 1e9), ("ms", 1e6), ("µs", 1e3)];
    match UNITS.into_iter().find(|(_, size)| ns >= *size) {
        Some((unit, size)) => format!("{:.0}{unit}", ns / size),
        None => format!("{ns:.0}ns"),
    }
}

/// `+12`, `-3`, `+0`.
pub(super) fn signed(number: i64) -> String {
    format!("{number:+}")
}

/// How a change looks: what grows is to be seen.
pub(super) fn change(look: Look, by: f64) -> Style {
    if by > 0.0 {
        look.warning()
    } else if by < 0.0 {
        look.good()
    } else {
        look.dim()
    }
}
