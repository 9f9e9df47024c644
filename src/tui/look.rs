//! Colours: the sixteen that every terminal has, or none.

use ratatui::style::Color;
use ratatui::style::Modifier;
use ratatui::style::Style;

/// How things may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colours are wanted.
    pub colour: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { colour: true }
    }
}

impl Look {
    fn fg(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    /// What is said beside.
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What the eye is to find first.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The name of a part.
    pub fn title(self) -> Style {
        self.fg(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What is selected: all in one colour, whatever it was before.
    pub fn selected(self) -> Style {
        Style::new()
            .fg(Color::Reset)
            .add_modifier(Modifier::REVERSED)
            .remove_modifier(Modifier::DIM)
    }

    /// What went wrong, or grows.
    pub fn alarm(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What deserves a look.
    pub fn warning(self) -> Style {
        self.fg(Color::Yellow)
    }

    /// What became less.
    pub fn good(self) -> Style {
        self.fg(Color::Green)
    }

    /// Bars of goroutines.
    pub fn goroutines(self) -> Style {
        self.fg(Color::Cyan)
    }

    /// Bars of the heap.
    pub fn heap(self) -> Style {
        self.fg(Color::Green)
    }

    /// The line of its goal.
    pub fn goal(self) -> Style {
        self.fg(Color::Yellow)
    }

    /// Bars of allocation.
    pub fn allocation(self) -> Style {
        self.fg(Color::Blue)
    }

    /// Bars of pauses.
    pub fn pauses(self) -> Style {
        self.fg(Color::Magenta)
    }

    /// Bars of waiting for a processor.
    pub fn latency(self) -> Style {
        self.fg(Color::Yellow)
    }
}
