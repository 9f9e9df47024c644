//! `top --once`: one frame as text.

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use anyhow::bail;

use crate::cli;
use crate::cmd::output;
use crate::cmd::output::Output;
use crate::observe::reader;
use crate::observe::stop;
use crate::tui::choices::End;
use crate::tui::draw;
use crate::tui::look::Look;
use crate::tui::state::State;

use super::list::List;
use super::meant::only;
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
    // Ended before its time, it shows what there is by then.
    let stop = stop::on_signals()?;
    match only(args) {
        Some(pid) => {
            let target = reader::find(pid)?;
            let mut watched = Watched::open(&target)?;
            if let Some(note) = watched.note() {
                output::warn(&note);
            }
            state.open(watched.who());
            watched.refresh(&mut state);
            for moment in moments(duration, args.interval) {
                let was_ended = stop::wait_until(moment, &stop);
                // For so short a time.
                watched.hurry();
                watched.refresh(&mut state);
                if was_ended {
                    break;
                }
            }
        }
        None => {
            let mut list = List::of(args)?;
            list.renew(&mut state)?;
            for moment in moments(duration, args.interval) {
                let was_ended = stop::wait_until(moment, &stop);
                list.renew(&mut state)?;
                if was_ended {
                    break;
                }
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

/// When to read after the first reading, which is now: every interval, and at least once.
fn moments(duration: Duration, interval: Duration) -> impl Iterator<Item = Instant> {
    let begun = Instant::now();
    let interval = interval.min(duration);
    let readings = (duration.as_secs_f64() / interval.as_secs_f64()).round() as u32;
    (1..=readings.max(1)).map(move |reading| begun + interval.saturating_mul(reading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_made_each_interval_and_at_least_once() {
        let count = |duration, interval| {
            let ms = Duration::from_millis;
            moments(ms(duration), ms(interval)).count()
        };
        assert_eq!([count(1000, 1000), count(10_000, 1000)], [1, 10]);
        assert_eq!([count(10, 1000), count(1600, 1000)], [1, 2]);
    }
}
