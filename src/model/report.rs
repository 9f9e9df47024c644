//! Findings to be shown as they are: titled groups of named facts.

/// A group of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What the facts are about; also the key in JSON, in lower case with underscores.
    pub title: &'static str,
    /// The facts, in order.
    pub facts: Vec<Fact>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it is about.
    pub name: String,
    /// What is found: one line each.
    pub found: Vec<String>,
    /// Whether it stands in the way of something.
    pub verdict: Verdict,
    /// The same for programs, piece by piece.
    pub details: Vec<(&'static str, Detail)>,
}

/// A piece of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A number, if it is known.
    Number(Option<u64>),
    /// A text, if there is one.
    Text(Option<String>),
    /// Texts.
    Texts(Vec<String>),
}

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be, or neither good nor bad.
    Fine,
    /// Something is missing or limited; the text says what follows.
    Lacking,
}

impl Section {
    /// An empty group.
    pub fn new(title: &'static str) -> Self {
        Self {
            title,
            facts: Vec::new(),
        }
    }

    /// Adds a fact that is fine.
    pub fn fine(&mut self, name: &str, found: impl Into<String>) {
        self.add(name, vec![found.into()], Verdict::Fine);
    }

    /// Adds something that is missing or limited.
    pub fn lacking(&mut self, name: &str, found: impl Into<String>) {
        self.add(name, vec![found.into()], Verdict::Lacking);
    }

    /// Adds a fact.
    pub fn add(&mut self, name: &str, found: Vec<String>, verdict: Verdict) {
        self.facts.push(Fact {
            name: name.to_owned(),
            found,
            verdict,
            details: Vec::new(),
        });
    }

    /// Adds pieces to the fact that was added last.
    pub fn detail(&mut self, details: Vec<(&'static str, Detail)>) {
        if let Some(fact) = self.facts.last_mut() {
            fact.details = details;
        }
    }
}
