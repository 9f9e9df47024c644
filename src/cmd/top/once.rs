//! `top --once`: one frame as text.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::cmd::output;
use crate::cmd::output::Output;
use crate::tui::draw;
use crate::tui::look::Look;
use crate::tui::process::End;
use crate::tui::state::State;

use super::list::List;
use super::watched;
use super::watched::Watched;

/// Columns where there is no terminal.
const WIDTH: u16 = 80;
/// Of a wider terminal no more are used: nobody reads such lines.
const MOST: u16 = 400;

/// Looks for one interval, or as long as was asked for, and prints what the view would show.
pub(super) fn run(args: &cli::Top, mut state: State) -> Result<ExitCode> {
    state.look = Look { colour: false };
    let width = output::style(true).width;
    let width = width.and_then(|width| u16::try_from(width).ok());
    let width = width.unwrap_or(WIDTH).clamp(draw::LEAST.0, MOST);
    let duration = args.duration.unwrap_or(args.interval);
    match args.pid {
        Some(pid) => {
            let target = watched::find(pid)?;
            let mut watched = Watched::open(&target)?;
            state.open(watched.who());
            watched.refresh(&mut state);
            let begun = Instant::now();
            while wait(begun, duration, args.interval) {
                // For so short a time.
                watched.hurry();
                watched.refresh(&mut state);
            }
        }
        None => {
            let mut list = List::default();
            list.renew(&mut state)?;
            let begun = Instant::now();
            while wait(begun, duration, args.interval) {
                list.renew(&mut state)?;
            }
        }
    }
    let ended = state.process.as_ref().and_then(|view| view.end.clone());
    if let Some((End::Unreadable(why), _)) = ended {
        bail!("{why}");
    }
    let mut output = Output::new();
    output
        .text
        .extend_from_slice(draw::once(&state, width).as_bytes());
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the next reading; there is none once `duration` has passed since the first.
fn wait(begun: Instant, duration: Duration, interval: Duration) -> bool {
    let left = duration.saturating_sub(begun.elapsed());
    thread::sleep(left.min(interval));
    !left.is_zero()
}
