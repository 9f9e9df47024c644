//! What the view shows as a whole, and what keys do to it.

use std::time::Duration;

use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyEventKind;
use crossterm::event::KeyModifiers;

use crate::model::top::Probes;
use crate::model::top::Who;

use super::choices::Chosen;
use super::choices::End;
use super::choices::Page;
use super::choices::Panel;
use super::choices::Tab;
use super::filter::Filter;
use super::look::Look;
use super::process::ProcessScreen;
use super::processes::ProcessList;

/// Rows that a page key goes.
const PAGE: isize = 10;

/// What is to be done by those who read and probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// End.
    Quit,
    /// Stop until the shell says to go on.
    Suspend,
    /// Draw everything anew.
    Redraw,
    /// Look at this process.
    Open(i32),
    /// Look at it no longer.
    Leave,
    /// Read the stacks of these goroutines.
    ReadStacks(Chosen),
    /// Set probes.
    Start(Probes),
    /// Take them away.
    Stop(Probes),
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct State {
    /// How it may look.
    pub look: Look,
    /// Time between refreshes.
    pub interval: Duration,
    /// All processes.
    pub list: ProcessList,
    /// The one that is looked at.
    pub process: Option<ProcessScreen>,
    /// Whether there is no list to go back to.
    pub alone: bool,
    /// Whether the keys are explained.
    pub help: bool,
    /// What went wrong, or is being done; until the next key.
    pub message: Option<String>,
}

impl State {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Action> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Some(Action::Quit),
            KeyCode::Char('z') if control => return Some(Action::Suspend),
            KeyCode::Char('l') if control => return Some(Action::Redraw),
            KeyCode::Char('u') if control => {
                self.filter().clear();
                return None;
            }
            _ if control => return None,
            _ => {}
        }
        self.message = None;
        if self.help {
            // Whatever it was: one who reads the help wants to get out of it first.
            self.help = false;
            return None;
        }
        if self.filter().typed().is_some() {
            self.type_filter(key.code);
            return None;
        }
        match key.code {
            KeyCode::Char('q') => return Some(Action::Quit),
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => {
                self.help = true;
                return None;
            }
            _ => {}
        }
        match &mut self.process {
            Some(view) if view.page.is_some() => page_key(view, key.code),
            Some(_) => self.process_key(key.code),
            None => self.list_key(key.code),
        }
    }

    /// The filter of what is in sight.
    fn filter(&mut self) -> &mut Filter {
        match &mut self.process {
            Some(view) => &mut view.filter,
            None => &mut self.list.filter,
        }
    }

    fn type_filter(&mut self, code: KeyCode) {
        let filter = self.filter();
        match code {
            KeyCode::Enter => filter.accept(),
            KeyCode::Esc => filter.cancel(),
            KeyCode::Backspace => filter.take_back(),
            KeyCode::Char(character) => filter.add(character),
            _ => {}
        }
    }

    fn list_key(&mut self, code: KeyCode) -> Option<Action> {
        let list = &mut self.list;
        if let Some(by) = steps(code) {
            let keys = list.keys();
            list.selection.step(&keys, by);
            return None;
        }
        match code {
            KeyCode::Enter | KeyCode::Right => {
                return list
                    .selection
                    .of(&list.keys())
                    .map(|pid| Action::Open(*pid));
            }
            KeyCode::Char('s') => list.sort = list.sort.next(),
            KeyCode::Char('r') => list.reversed = !list.reversed,
            KeyCode::Char('/') => list.filter.begin(),
            KeyCode::Esc => list.filter.drop_pattern(),
            _ => {}
        }
        None
    }

    fn process_key(&mut self, code: KeyCode) -> Option<Action> {
        let alone = self.alone;
        let view = self.process.as_mut()?;
        if let Some(by) = steps(code) {
            view.step(by);
            return None;
        }
        match code {
            KeyCode::Enter => return view.chosen().map(Action::ReadStacks),
            KeyCode::Char('s') => view.next_sort(),
            KeyCode::Char('r') => view.reversed = !view.reversed,
            KeyCode::Char('/') => view.filter.begin(),
            KeyCode::Char(' ' | 'p') => view.toggle_pause(),
            KeyCode::Char('-' | '_') => view.zoom(true),
            KeyCode::Char('+' | '=') => view.zoom(false),
            KeyCode::Tab => view.show(super::processes::next(&Tab::ALL, view.tab)),
            KeyCode::Char(digit @ '1'..='4') => {
                let number = usize::from(digit as u8 - b'1');
                if let Some(tab) = Tab::ALL.get(number) {
                    view.show(*tab);
                }
            }
            KeyCode::Char('l') => return toggle(view, Probes::Lifetimes, Tab::Lifetimes),
            KeyCode::Char('g') => return toggle(view, Probes::Collector, Tab::Collector),
            KeyCode::Char('o') => {
                if let Some((End::Replaced, _)) = view.end {
                    return Some(Action::Open(view.who.pid));
                }
            }
            KeyCode::Esc if view.filter.pattern().is_some() => view.filter.drop_pattern(),
            KeyCode::Esc | KeyCode::Left if !alone => return Some(Action::Leave),
            KeyCode::Esc => self.message = Some("q quits".to_owned()),
            _ => {}
        }
        None
    }

    /// A process was opened.
    pub fn open(&mut self, who: Who) {
        self.process = Some(ProcessScreen::new(who));
    }

    /// The stacks that were asked for.
    pub fn show_page(&mut self, page: Page) {
        if let Some(view) = &mut self.process {
            view.page = Some(page);
        }
    }
}

/// How many rows a key goes down; negative is up.
fn steps(code: KeyCode) -> Option<isize> {
    match code {
        KeyCode::Down | KeyCode::Char('j') => Some(1),
        KeyCode::Up | KeyCode::Char('k') => Some(-1),
        KeyCode::PageDown => Some(PAGE),
        KeyCode::PageUp => Some(-PAGE),
        KeyCode::End | KeyCode::Char('G') => Some(isize::MAX),
        KeyCode::Home => Some(isize::MIN),
        _ => None,
    }
}

fn page_key(view: &mut ProcessScreen, code: KeyCode) -> Option<Action> {
    let page = view.page.as_mut()?;
    if let Some(by) = steps(code) {
        let last = page.lines.len().saturating_sub(1);
        page.top = page.top.saturating_add_signed(by).min(last);
        return None;
    }
    match code {
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace => view.page = None,
        // Read anew.
        KeyCode::Enter => return view.chosen().map(Action::ReadStacks),
        _ => {}
    }
    None
}

/// Starts probes, or stops them, and shows what they find.
fn toggle(view: &mut ProcessScreen, probes: Probes, tab: Tab) -> Option<Action> {
    view.show(tab);
    if view.panel(probes).is_running() {
        view.set_panel(probes, Panel::Stopping);
        return Some(Action::Stop(probes));
    }
    if view.end.is_some() || *view.panel(probes) == Panel::Stopping {
        return None;
    }
    view.set_panel(probes, Panel::Starting);
    Some(Action::Start(probes))
}
