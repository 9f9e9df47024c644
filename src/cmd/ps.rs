//! `grtmon ps`: every Go process on the machine.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli;
use crate::observe::node::Node;
use crate::render::ps;

use super::output;
use super::output::Output;

/// Reasons why a process was not read that are told on standard error. JSON has all of them.
const TOLD: usize = 3;

pub(super) fn run(args: &cli::Ps) -> Result<ExitCode> {
    let mut node = Node::default();
    let listed = node.look()?.into_iter();
    let rows: Vec<_> = listed.map(|listed| listed.process).collect();
    let mut output = Output::new();
    match args.output {
        cli::Output::Text => ps::text(&mut output.text, &rows, output::style(true)),
        cli::Output::Json => ps::json(&mut output.text, &rows),
    }
    output.flush()?;
    let unread: Vec<&String> = rows.iter().filter_map(|row| row.unread.as_ref()).collect();
    for why in unread.iter().take(TOLD) {
        output::warn(why);
    }
    if let Some(more @ 1..) = unread.len().checked_sub(TOLD) {
        output::warn(&format!(
            "nor could {more} more be read (--output json says why)"
        ));
    }
    for line in node.shortcomings() {
        output::warn(&line);
    }
    Ok(ExitCode::SUCCESS)
}
