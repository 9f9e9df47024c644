//! The terminal: taken for the view, and given back as it was, whatever happens.

use std::io;
use std::io::Stdout;
use std::io::Write;
use std::panic;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crossterm::cursor;
use crossterm::execute;
use crossterm::terminal;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::draw::draw;
use super::state::State;

/// What a program that ends by a panic ends with (as Rust's own handler does).
const PANICKED: i32 = 101;

/// How long a terminal that takes nothing is waited for when it is given back.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A terminal that shows the view. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Screen<W: Write = Stdout> {
    terminal: Terminal<CrosstermBackend<W>>,
}

impl Screen {
    /// As [`Screen::on`], written to by whoever draws.
    ///
    /// # Errors
    /// It is none, or cannot be set up.
    pub fn open() -> io::Result<Self> {
        Self::on(io::stdout())
    }
}

impl<W: Write> Screen<W> {
    /// Takes the terminal that standard output is; `out` writes to it. From now on a panic of any thread gives it back, says what happened,
    /// and ends the program.
    ///
    /// # Errors
    /// It is none, or cannot be set up.
    pub fn on(out: W) -> io::Result<Self> {
        restore_on_panic();
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(out));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(why) => {
                restore();
                Err(why)
            }
        }
    }

    /// Draws the view as it is now.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, state: &State) -> io::Result<()> {
        self.terminal.draw(|frame| {
            let area = frame.area();
            draw(state, area, frame.buffer_mut());
        })?;
        Ok(())
    }

    /// Forgets what is drawn: the next time everything is drawn anew.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn forget(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Gives the terminal back while `stop` stops this process, and takes it again.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(&mut self, stop: impl FnOnce()) -> io::Result<()> {
        restore();
        stop();
        take()?;
        self.forget()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        restore();
    }
}

fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let shown = execute!(io::stdout(), terminal::EnterAlternateScreen, cursor::Hide);
    if shown.is_err() {
        restore();
    }
    shown
}

/// Gives the terminal back, if it was taken: leaves the alternate screen, shows the cursor, sets the modes it had.
pub fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // Each of these is worth doing if another fails; if the terminal is gone all do, and nobody misses them. One that was
    // stopped (Ctrl-S, or a connection that hangs) takes nothing, and holds nobody.
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        let mut out = io::stdout();
        let _ = execute!(out, terminal::LeaveAlternateScreen);
        let _ = execute!(out, cursor::Show);
        let _ = out.flush();
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(PATIENCE);
    let _ = terminal::disable_raw_mode();
}

fn restore_on_panic() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let was_taken = TAKEN.load(Ordering::SeqCst);
        restore();
        told(info);
        if was_taken {
            // Whichever thread it was: the view cannot go on without it. The kernel takes probes away.
            std::process::exit(PANICKED);
        }
    }));
}
