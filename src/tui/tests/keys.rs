//! What keys do.

use crossterm::event::KeyCode;
use crossterm::event::KeyEvent;
use crossterm::event::KeyEventKind;
use crossterm::event::KeyModifiers;

use super::*;
use crate::model::ps::GoProcess;
use crate::model::top::Listed;
use crate::model::top::News;
use crate::model::top::Probes;
use crate::tui::choices::Chosen;
use crate::tui::choices::End;
use crate::tui::choices::Page;
use crate::tui::choices::Panel;
use crate::tui::choices::Sort;
use crate::tui::choices::Tab;
use crate::tui::state::Action;

fn press(state: &mut State, code: KeyCode) -> Option<Action> {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn typed(state: &mut State, text: &str) -> Option<Action> {
    let mut last = None;
    for character in text.chars() {
        last = press(state, KeyCode::Char(character));
    }
    last
}

fn control(state: &mut State, character: char) -> Option<Action> {
    state.key(KeyEvent::new(
        KeyCode::Char(character),
        KeyModifiers::CONTROL,
    ))
}

fn tab(state: &State) -> Tab {
    state.process.as_ref().unwrap().tab
}

#[test]
fn a_process_is_chosen_from_the_list() {
    let mut state = State::default();
    let listed = |pid, goroutines| Listed {
        process: GoProcess {
            pid,
            goroutines: Some(goroutines),
            command: format!("command-{pid}"),
            ..GoProcess::default()
        },
        cpu: None,
    };
    assert_eq!(press(&mut state, KeyCode::Enter), None);
    let all = vec![listed(1, 10), listed(2, 30), listed(3, 20)];
    state.list.set(0.0, all, 0);
    assert_eq!(press(&mut state, KeyCode::Enter), Some(Action::Open(2)));
    press(&mut state, KeyCode::Down);
    assert_eq!(press(&mut state, KeyCode::Enter), Some(Action::Open(3)));
    // It stays selected in another order.
    press(&mut state, KeyCode::Char('r'));
    press(&mut state, KeyCode::Char('s'));
    assert_eq!(press(&mut state, KeyCode::Enter), Some(Action::Open(3)));
    typed(&mut state, "/command-1");
    press(&mut state, KeyCode::Enter);
    assert_eq!(press(&mut state, KeyCode::Enter), Some(Action::Open(1)));
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.list.keys().len(), 3);
    assert_eq!(typed(&mut state, "q"), Some(Action::Quit));
}

#[test]
fn one_goes_back_step_by_step() {
    let mut state = watched(3);
    typed(&mut state, "/net");
    press(&mut state, KeyCode::Enter);
    let Some(Action::ReadStacks(Chosen::Origin(origin))) = press(&mut state, KeyCode::Enter) else {
        panic!("no stacks");
    };
    assert_eq!(origin.start.as_deref(), Some("net/http.(*conn).serve"));
    state.show_page(Page {
        lines: vec![String::new(); 5],
        ..Page::default()
    });
    press(&mut state, KeyCode::End);
    let page = |state: &State| state.process.as_ref().unwrap().page.clone();
    assert_eq!(page(&state).unwrap().top, 4);
    press(&mut state, KeyCode::Char('?'));
    assert!(state.help);
    press(&mut state, KeyCode::Esc);
    assert!(!state.help && page(&state).is_some());
    press(&mut state, KeyCode::Esc);
    assert!(page(&state).is_none());
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.process.as_ref().unwrap().rows().len(), 4);
    assert_eq!(press(&mut state, KeyCode::Esc), Some(Action::Leave));
    // Where there is no list to go back to, nothing is given up by mistake.
    state.alone = true;
    assert_eq!(press(&mut state, KeyCode::Esc), None);
    assert_eq!(state.message.as_deref(), Some("q quits"));
}

#[test]
fn what_is_typed_into_a_filter_is_no_command() {
    let mut state = watched(3);
    assert_eq!(typed(&mut state, "/quit?"), None);
    assert!(!state.help);
    let filter = |state: &State| {
        let view = state.process.as_ref().unwrap();
        view.filter.typed().map(|(text, _)| text.to_owned())
    };
    assert_eq!(filter(&state).as_deref(), Some("quit?"));
    control(&mut state, 'u');
    assert_eq!(filter(&state).as_deref(), Some(""));
    assert_eq!(control(&mut state, 'c'), Some(Action::Quit));
    press(&mut state, KeyCode::Backspace);
    assert_eq!(filter(&state), None);
}

#[test]
fn the_lower_half_shows_what_was_asked_for() {
    let mut state = watched(3);
    for (key, expected) in [
        (KeyCode::Char('2'), Tab::Functions),
        (KeyCode::Tab, Tab::Lifetimes),
        (KeyCode::Char('4'), Tab::Collector),
        (KeyCode::Tab, Tab::Sites),
    ] {
        assert_eq!(press(&mut state, key), None);
        assert_eq!(tab(&state), expected);
    }
    press(&mut state, KeyCode::Char('2'));
    let chosen = Chosen::Function(Some(Arc::from("example.com/shop/orders.(*Queue).worker")));
    assert_eq!(
        press(&mut state, KeyCode::Enter),
        Some(Action::ReadStacks(chosen))
    );
    press(&mut state, KeyCode::Char('s'));
    assert_eq!(state.process.as_ref().unwrap().sort, Sort::Growth);
}

#[test]
fn probes_are_started_and_stopped_by_one_key() {
    let mut state = watched(3);
    let lifetimes = Probes::Lifetimes;
    let panel = |state: &State| state.process.as_ref().unwrap().panel(lifetimes).clone();
    let start = Some(Action::Start(lifetimes));
    assert_eq!(press(&mut state, KeyCode::Char('l')), start);
    assert_eq!(
        (tab(&state), panel(&state)),
        (Tab::Lifetimes, Panel::Starting)
    );
    let stop = Some(Action::Stop(lifetimes));
    assert_eq!(press(&mut state, KeyCode::Char('l')), stop);
    // Not again before the last ones are gone.
    assert_eq!(press(&mut state, KeyCode::Char('l')), None);
    let view = state.process.as_mut().unwrap();
    view.tell(lifetimes, News::Ended(None));
    assert_eq!(panel(&state), Panel::Off);
    assert_eq!(press(&mut state, KeyCode::Char('l')), start);
    let view = state.process.as_mut().unwrap();
    view.tell(lifetimes, News::Ended(Some("no".to_owned())));
    assert_eq!(panel(&state), Panel::Failed("no".to_owned()));
    let collector = Some(Action::Start(Probes::Collector));
    assert_eq!(press(&mut state, KeyCode::Char('g')), collector);
    // There is nothing to probe in a process that has ended.
    let view = state.process.as_mut().unwrap();
    view.ended(3.0, End::Gone);
    assert_eq!(press(&mut state, KeyCode::Char('l')), None);
}

#[test]
fn a_process_that_replaced_itself_can_be_looked_at_anew() {
    let mut state = watched(3);
    assert_eq!(press(&mut state, KeyCode::Char('o')), None);
    state.process.as_mut().unwrap().ended(3.0, End::Replaced);
    assert_eq!(
        press(&mut state, KeyCode::Char('o')),
        Some(Action::Open(4242))
    );
}

#[test]
fn keys_of_the_terminal_itself_work_everywhere() {
    let mut state = watched(3);
    state.help = true;
    assert_eq!(control(&mut state, 'z'), Some(Action::Suspend));
    assert_eq!(control(&mut state, 'l'), Some(Action::Redraw));
    assert_eq!(control(&mut state, 'x'), None);
    let released = KeyEvent {
        kind: KeyEventKind::Release,
        ..KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)
    };
    assert_eq!(state.key(released), None);
    assert!(state.help);
}

#[test]
fn zoom_ends_somewhere() {
    let mut state = watched(3);
    let per_column = |state: &State| state.process.as_ref().unwrap().per_column();
    typed(&mut state, "----------");
    assert_eq!(per_column(&state), 60);
    typed(&mut state, "++++++++++");
    assert_eq!(per_column(&state), 1);
}
