//! Rows that are sorted anew at each refresh, and the one among them that is selected.

/// What is selected: it stays selected when rows change places, and when it is gone its place is.
#[derive(Debug, Clone)]
pub struct Selection<K> {
    key: Option<K>,
    index: usize,
}

impl<K> Default for Selection<K> {
    fn default() -> Self {
        Self {
            key: None,
            index: 0,
        }
    }
}

impl<K: PartialEq + Clone> Selection<K> {
    /// Which row is selected now. Until something was chosen that is the first, whatever it is.
    pub fn index(&self, keys: &[K]) -> usize {
        let found = self
            .key
            .as_ref()
            .and_then(|key| keys.iter().position(|known| known == key));
        found.unwrap_or(self.index.min(keys.len().saturating_sub(1)))
    }

    /// What is selected.
    pub fn of<'k>(&self, keys: &'k [K]) -> Option<&'k K> {
        keys.get(self.index(keys))
    }

    /// Selects the row so many further down, or up.
    pub fn step(&mut self, keys: &[K], by: isize) {
        let last = keys.len().saturating_sub(1);
        self.index = self.index(keys).saturating_add_signed(by).min(last);
        self.key = keys.get(self.index).cloned();
    }

    /// Selects the first again, whatever it is.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// The first row to be shown of `total` when `height` fit, so that the selected one is in sight: in the middle, if it
/// can be.
pub fn first_shown(selected: usize, height: usize, total: usize) -> usize {
    selected
        .saturating_sub(height / 2)
        .min(total.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selected_row_stays_selected() {
        let mut selection = Selection::default();
        assert_eq!(selection.of(&['a', 'b', 'c']), Some(&'a'));
        assert_eq!(selection.of(&['c', 'a']), Some(&'c'));
        selection.step(&['a', 'b', 'c'], 1);
        assert_eq!(selection.of(&['c', 'a', 'b']), Some(&'b'));
        assert_eq!(selection.of(&['c', 'a']), Some(&'a'));
        assert_eq!(selection.of(&[]), None);
        selection.step(&['a', 'b', 'c'], isize::MAX);
        assert_eq!(selection.of(&['a', 'b', 'c']), Some(&'c'));
        selection.step(&['a', 'b', 'c'], isize::MIN);
        assert_eq!(selection.of(&['a', 'b', 'c']), Some(&'a'));
        selection.step(&[], 1);
        assert_eq!(selection.index(&[]), 0);
    }

    #[test]
    fn the_selected_row_is_in_sight() {
        for total in 0..20 {
            for height in 1..10 {
                for selected in 0..total {
                    let first = first_shown(selected, height, total);
                    assert!((first..first + height).contains(&selected));
                    assert!(first == 0 || first + height <= total);
                }
            }
        }
    }
}
