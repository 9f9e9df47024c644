//! A process in a report that tells them apart.

use std::io::Write;

use crate::model::process;
use crate::model::process::Named;

use super::json::Object;
use super::table::push_within;

/// How many are shown in a text.
pub const SHOWN: usize = 10;

/// `process 4242 (server)`, in so many columns: it is the name that is cut.
pub(super) fn push(out: &mut Vec<u8>, process: &Named, room: usize) {
    let pid = process::id(process.number).map_or("?".to_owned(), |pid| pid.to_string());
    let before = format!("process {pid} (");
    out.extend_from_slice(before.as_bytes());
    push_within(out, &process.program, room.saturating_sub(before.len() + 1));
    out.push(b')');
}

/// How many there are besides those that are shown.
pub(super) fn more(out: &mut Vec<u8>, processes: usize) {
    let _ = match processes.saturating_sub(SHOWN) {
        0 => Ok(()),
        1 => writeln!(out, "   and 1 more process (--output json)\n"),
        more => writeln!(out, "   and {more} more processes (--output json)\n"),
    };
}

/// Its `pid`; `null` if it has none that we could know, or it could not be told which it was.
pub(super) fn pid(object: &mut Object<'_>, process: Option<&Named>) {
    let id = process.and_then(|process| process::id(process.number));
    object.number_or_null("pid", id.map(u64::from));
}
