//! What was not seen, and why: the other half of every count.

/// One cause of loss and how often it struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    /// Stable name, used in JSON: `ring_full`, `map_full`, …
    pub cause: &'static str,
    /// What it means for the reader, and what to do about it.
    pub meaning: &'static str,
    /// How many events.
    pub events: u64,
}

impl Loss {
    /// Records that user space does not know.
    pub fn undecodable(records: u64) -> Self {
        Self {
            cause: "undecodable",
            meaning: "records of an unknown kind; this is a bug in grtmon",
            events: records,
        }
    }
}

/// Adds the losses of another source to these, cause by cause.
pub fn merge(into: &mut Vec<Loss>, more: &[Loss]) {
    for loss in more {
        match into.iter_mut().find(|known| known.cause == loss.cause) {
            Some(known) => known.events += loss.events,
            None => into.push(*loss),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_by_cause() {
        let one = |cause, events| Loss {
            cause,
            meaning: "",
            events,
        };
        let mut all = vec![one("a", 1)];
        merge(&mut all, &[one("a", 2), one("b", 3)]);
        assert_eq!(all, [one("a", 3), one("b", 3)]);
    }
}
