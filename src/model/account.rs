//! The account of an observation: what was lost, what it has cost, what ended it or a part of it, what is to be known of
//! its figures. Every way out of an observation passes it.

use super::cost::Cost;
use super::loss::Loss;

/// How many remarks of a kind are kept; of the others there is a count.
const MOST: usize = 64;

/// Something that happened while observing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Stable name, used in JSON: `exec`, `too_dear`, …
    pub cause: &'static str,
    /// The process concerned, if it is one.
    pub process: Option<u32>,
    /// In words.
    pub text: String,
}

/// Remarks of one kind, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// The first of them.
    pub kept: Vec<Remark>,
    /// How many more there were.
    pub more: u64,
}

impl Remarks {
    /// Adds one. Whether it is to be said now: those that are not kept are not.
    pub fn add(&mut self, remark: Remark) -> bool {
        if self.kept.len() >= MOST {
            self.more += 1;
            return false;
        }
        self.kept.push(remark);
        true
    }
}

/// What is said at the end, whatever the command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// What was not seen or not written.
    pub losses: Vec<Loss>,
    /// What it has cost the observed; `None` where nothing was attached, and where it could not be read.
    pub cost: Option<Cost>,
    /// Why the observation, or that of one process, ended by itself.
    pub endings: Remarks,
    /// What else is to be known.
    pub notes: Remarks,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_counted() {
        let mut all = Remarks::default();
        let remark = |process| Remark {
            cause: "exec",
            process: Some(process),
            text: String::new(),
        };
        let said = (0..100).filter(|process| all.add(remark(*process))).count();
        assert_eq!((said, all.kept.len(), all.more), (MOST, MOST, 36));
    }
}
