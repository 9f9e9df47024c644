//! Which rows are shown: those that a regular expression matches, typed while one looks at what it does.

use regex::Regex;

/// A filter, and what is being typed to become one.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    regex: Option<Regex>,
    /// What it was before typing began.
    before: Option<Regex>,
    typed: Option<String>,
    invalid: bool,
}

impl Filter {
    /// Whether a row with these words is shown.
    pub fn takes(&self, words: &[&str]) -> bool {
        self.regex
            .as_ref()
            .is_none_or(|regex| words.iter().any(|word| regex.is_match(word)))
    }

    /// The expression in force, if there is one.
    pub fn pattern(&self) -> Option<&str> {
        self.regex.as_ref().map(Regex::as_str)
    }

    /// What has been typed so far, and whether it is an expression (while it is none, the last one that was one stays in
    /// force); `None` if nothing is being typed.
    pub fn typed(&self) -> Option<(&str, bool)> {
        self.typed.as_deref().map(|text| (text, !self.invalid))
    }

    /// Typing begins, with what is in force.
    pub fn begin(&mut self) {
        self.before.clone_from(&self.regex);
        self.typed = Some(self.pattern().unwrap_or_default().to_owned());
        self.invalid = false;
    }

    /// A character was typed.
    pub fn add(&mut self, character: char) {
        if let Some(text) = &mut self.typed {
            text.push(character);
        }
        self.apply();
    }

    /// The last character was taken back; without one typing ends.
    pub fn take_back(&mut self) {
        match &mut self.typed {
            Some(text) if !text.is_empty() => {
                text.pop();
                self.apply();
            }
            _ => self.cancel(),
        }
    }

    /// All was taken back.
    pub fn clear(&mut self) {
        if let Some(text) = &mut self.typed {
            text.clear();
        }
        self.apply();
    }

    /// Typing ends; what was typed stays in force.
    pub fn accept(&mut self) {
        self.typed = None;
        self.invalid = false;
    }

    /// Typing ends; what was in force before is again.
    pub fn cancel(&mut self) {
        if self.typed.take().is_some() {
            self.regex = self.before.take();
            self.invalid = false;
        }
    }

    /// Everything is shown again.
    pub fn drop_pattern(&mut self) {
        *self = Self::default();
    }

    fn apply(&mut self) {
        let Some(text) = &self.typed else {
            return;
        };
        if text.is_empty() {
            self.regex = None;
            self.invalid = false;
            return;
        }
        match Regex::new(text) {
            Ok(regex) => {
                self.regex = Some(regex);
                self.invalid = false;
            }
            Err(_) => self.invalid = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(filter: &mut Filter, text: &str) {
        text.chars().for_each(|character| filter.add(character));
    }

    #[test]
    fn a_filter_works_while_it_is_typed() {
        let mut filter = Filter::default();
        assert!(filter.takes(&["main.f"]));
        filter.begin();
        typing(&mut filter, "net");
        assert!(!filter.takes(&["main.f"]) && filter.takes(&["main.f", "net/http"]));
        typing(&mut filter, "/(");
        assert_eq!(filter.typed(), Some(("net/(", false)));
        assert_eq!(filter.pattern(), Some("net/"));
        typing(&mut filter, "http)$");
        assert_eq!(filter.typed(), Some(("net/(http)$", true)));
        filter.accept();
        assert_eq!(
            (filter.typed(), filter.pattern()),
            (None, Some("net/(http)$"))
        );

        filter.begin();
        filter.clear();
        assert!(filter.takes(&["main.f"]));
        filter.cancel();
        assert!(!filter.takes(&["main.f"]));
        filter.drop_pattern();
        assert!(filter.takes(&["main.f"]));
    }

    #[test]
    fn taking_back_more_than_there_is_ends_typing() {
        let mut filter = Filter::default();
        filter.begin();
        typing(&mut filter, "x");
        filter.take_back();
        assert_eq!(filter.typed(), Some(("", true)));
        filter.take_back();
        assert_eq!(filter.typed(), None);
    }
}
