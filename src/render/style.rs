//! What the reader's terminal allows.

/// How text output may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; `None` when the output is none, or need not fit into it.
    pub width: Option<usize>,
    /// Whether nothing may be cut, whatever becomes of the columns.
    pub wide: bool,
    /// Whether colour is wanted.
    pub colour: bool,
    /// Times as `1.2ms` instead of plain nanoseconds.
    pub human: bool,
}

impl Style {
    /// For a file, a pipe, a test: every column, no colour.
    pub const PLAIN: Self = Self {
        width: None,
        wide: false,
        colour: false,
        human: false,
    };

    /// The same; if `wide`, with everything, whatever the terminal has room for.
    pub fn wide(self, wide: bool) -> Self {
        Self {
            width: self.width.filter(|_| !wide),
            wide,
            ..self
        }
    }
}

/// The few colours in use, as SGR parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Something began.
    Green,
    /// Something that cannot be known.
    Yellow,
    /// Background information.
    Dim,
}

impl Colour {
    /// The escape sequence that switches it on; [`RESET`] ends it.
    pub fn sequence(self) -> &'static str {
        match self {
            Self::Green => "\x1b[32m",
            Self::Yellow => "\x1b[33m",
            Self::Dim => "\x1b[2m",
        }
    }
}

/// Ends any colour.
pub const RESET: &str = "\x1b[0m";
