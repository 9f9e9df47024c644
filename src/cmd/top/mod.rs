//! `grtmon top`: the live view. Opens on readers alone; probes are set when asked for.

mod frames;
mod keys;
mod list;
mod meant;
mod once;
mod ui;
mod watched;

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::Receiver;
use crossbeam_channel::after;
use crossbeam_channel::never;
use crossbeam_channel::select;
use crossbeam_channel::tick;

use crate::cli;
use crate::observe::panels::Runner;
use crate::observe::panels::Settings;
use crate::observe::reader;
use crate::observe::stop;
use crate::target::Target;
use crate::tui::choices::End;
use crate::tui::choices::Panel;
use crate::tui::look::Look;
use crate::tui::state::Action;
use crate::tui::state::State;
use crate::tui::terminal;
use crate::tui::terminal::Screen;

use super::output;
use super::session;

use self::frames::Frames;
use self::list::List;
use self::meant::only;
use self::ui::Ui;
use self::watched::Watched;

/// A shorter time between refreshes would make grtmon itself costly.
const LEAST: Duration = Duration::from_millis(100);

pub(super) fn run(args: &cli::Top) -> Result<ExitCode> {
    if args.interval < LEAST {
        bail!("--interval of less than {LEAST:?} is not worth its cost");
    }
    let state = State {
        look: Look {
            colour: output::style(true).colour,
        },
        interval: args.interval,
        alone: only(args).is_some(),
        ..State::default()
    };
    if args.once {
        return once::run(args, state);
    }
    if !output::is_terminal() {
        bail!(
            "top draws on a terminal, and standard output is none: --once prints one frame as text"
        );
    }
    // What is wrong with the arguments is said before the terminal is taken.
    let first = match only(args) {
        Some(pid) => Some(reader::find(pid)?),
        None => None,
    };
    if let Some(target) = &first {
        Watched::open(target)?;
    }
    let stop = stop::on_signals_or(terminal::restore)?;
    let frames = Frames::new()?;
    let mut ui = Ui {
        state,
        writer: frames.writer(),
        screen: Screen::on(frames)?,
        happened: keys::read()?,
        stop,
        deadline: args.duration.map_or_else(never, after),
    };
    let ended = look(args, &mut ui, first);
    // Before anything is said, and before anybody waits for probes to be taken away.
    drop(ui);
    match ended {
        // Whoever closed it does not want to know.
        Err(why) if !ui::is_terminal_gone(&why) => Err(why),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// What is looked at next.
enum Next {
    Quit,
    List,
    Process(i32),
}

/// From process to list to process, until the end.
fn look(args: &cli::Top, ui: &mut Ui, mut first: Option<Target>) -> Result<()> {
    let mut list = List::of(args)?;
    let mut next = match only(args) {
        Some(pid) => Next::Process(pid),
        None => Next::List,
    };
    loop {
        next = match next {
            Next::Quit => return Ok(()),
            Next::List => look_at_all(ui, &mut list)?,
            Next::Process(pid) => {
                let target = match first.take() {
                    Some(target) => Ok(target),
                    None => reader::find(pid),
                };
                match target {
                    Ok(target) => look_at_one(args, ui, &target)?,
                    Err(why) => cannot_open(ui, why)?,
                }
            }
        };
    }
}

/// A process that cannot be opened is said where there is a list to go back to.
fn cannot_open(ui: &mut Ui, why: anyhow::Error) -> Result<Next> {
    if ui.state.alone {
        return Err(why);
    }
    ui.state.process = None;
    ui.state.message = Some(format!("{why:#}"));
    Ok(Next::List)
}

/// The list of all Go processes.
fn look_at_all(ui: &mut Ui, list: &mut List) -> Result<Next> {
    ui.state.process = None;
    ui.draw()?;
    list.renew(&mut ui.state)?;
    let ticks = tick(ui.state.interval);
    loop {
        ui.draw()?;
        select! {
            recv(ui.happened) -> happened => match ui.act(happened.ok())? {
                Some(Action::Quit) => return Ok(Next::Quit),
                Some(Action::Open(pid)) => {
                    ui.state.message = Some(format!("opening process {pid}…"));
                    ui.draw()?;
                    ui.state.message = None;
                    return Ok(Next::Process(pid));
                }
                _ => {}
            },
            recv(ticks) -> _ => list.renew(&mut ui.state)?,
            recv(ui.stop) -> _ => return Ok(Next::Quit),
            recv(ui.deadline) -> _ => return Ok(Next::Quit),
        }
    }
}

/// One process.
fn look_at_one(args: &cli::Top, ui: &mut Ui, target: &Target) -> Result<Next> {
    let mut watched = match Watched::open(target) {
        Ok(watched) => watched,
        Err(why) => return cannot_open(ui, why),
    };
    ui.state.open(watched.who());
    thread::scope(|scope| {
        let mut runner = Runner::new(
            scope,
            target,
            Settings {
                wanted: session::wanted(args.attach),
                allowed: session::allowed(args.max_overhead),
                interval: args.interval,
                max_goroutines: cli::MAX_GOROUTINES,
            },
        );
        let next = look_on(ui, &mut watched, &mut runner);
        if !matches!(next, Ok(Next::List | Next::Process(_))) {
            // It can take a while until probes are gone.
            terminal::restore();
        }
        next
    })
}

fn look_on(ui: &mut Ui, watched: &mut Watched<'_>, runner: &mut Runner<'_, '_>) -> Result<Next> {
    let ticks: Receiver<_> = tick(ui.state.interval);
    watched.refresh(&mut ui.state);
    loop {
        ui.draw()?;
        select! {
            recv(ui.happened) -> happened => {
                let action = ui.act(happened.ok())?;
                let next = action.and_then(|action| carry_out(ui, watched, runner, action));
                if let Some(next) = next {
                    return Ok(next);
                }
            }
            recv(ticks) -> _ => {
                watched.refresh(&mut ui.state);
                let ended = ui.state.process.as_ref().and_then(|view| view.end.as_ref());
                if let Some((End::Gone | End::Replaced, _)) = ended {
                    runner.stop_all();
                }
            }
            recv(runner.news) -> news => {
                if let (Ok((probes, news)), Some(view)) = (news, &mut ui.state.process) {
                    view.tell(probes, news);
                }
            }
            recv(ui.stop) -> _ => return Ok(Next::Quit),
            recv(ui.deadline) -> _ => return Ok(Next::Quit),
        }
    }
}

/// Does what a key asked for.
fn carry_out(
    ui: &mut Ui,
    watched: &mut Watched<'_>,
    runner: &mut Runner<'_, '_>,
    action: Action,
) -> Option<Next> {
    match action {
        Action::Quit => return Some(Next::Quit),
        Action::Leave => return Some(Next::List),
        Action::Open(pid) => return Some(Next::Process(pid)),
        Action::ReadStacks(chosen) => match watched.stacks(&chosen) {
            Ok(page) => ui.state.show_page(page),
            Err(why) => ui.state.message = Some(format!("{why:#}")),
        },
        Action::Start(probes) => {
            if let Err(why) = runner.start(probes)
                && let Some(view) = &mut ui.state.process
            {
                view.set_panel(probes, Panel::Failed(format!("{why:#}")));
            }
        }
        Action::Stop(probes) => runner.stop(probes),
        // Done already.
        Action::Suspend | Action::Redraw => {}
    }
    None
}
