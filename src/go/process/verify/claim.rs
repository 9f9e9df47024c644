//! Claims about a live process, and how often each was found true.

use std::fmt;

use super::Examined;
use super::pages::Pages;
use super::reader::{Reader, Skip};
use crate::go::layout::{Field, Layout};
use crate::go::memory::MemoryError;

/// How often an object is looked at before something is taken to be false of it.
const LOOKS: usize = 4;

/// How often at something that moves, before nothing is taken to be known of it. A program can take up another goroutine
/// three million times a second, which is faster than two words are read.
const LOOKS_AT_MOVING: usize = 64;

/// A statement that is true of every Go program, if the fields that it names lie where the layout says.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The fields that it depends on; none if it only depends on the address of a global variable.
    pub fields: &'static [Field],
    /// The statement, in words.
    pub text: &'static str,
    /// Whether it is false if one of the fields lies elsewhere. If not, it can be held against them, but proves nothing.
    pub proves: bool,
    /// Of how many objects it was found true in the best attempt, or else the last.
    pub yes: u32,
    /// Of how many objects it was found false in that attempt.
    pub no: u32,
    /// Both, in the attempt under way.
    now: (u32, u32),
}

impl Claim {
    /// Whether it was found true, and seldom enough false to put that down to the process going on.
    pub fn holds(&self) -> bool {
        is_true(self.yes, self.no)
    }

    /// Whether it was found false.
    pub fn has_failed(&self) -> bool {
        self.no > 0 && !self.holds()
    }
}

fn is_true(yes: u32, no: u32) -> bool {
    yes > 0 && yes / 3 >= no
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fields {
            [] => {}
            [field] => write!(f, "{field}: ")?,
            fields => {
                let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
                write!(f, "one of {}: ", names.join(", "))?;
            }
        }
        if self.holds() {
            write!(f, "{}", self.text)
        } else if self.no == 0 {
            write!(f, "could not be checked: {}", self.text)
        } else {
            write!(f, "it is not so that {}", self.text)
        }
    }
}

/// The claims made so far.
pub(super) struct Claims<'c> {
    pub(super) layout: &'c Layout,
    /// It is read through `pages`.
    pub(super) live: &'c Examined<'c>,
    pages: &'c Pages<'c>,
    /// Whether the pages are kept from one claim to the next.
    at_once: bool,
    pub(super) all: Vec<Claim>,
    /// Set when nothing more can be read.
    pub(super) ended: Option<MemoryError>,
}

impl<'c> Claims<'c> {
    pub(super) fn new(layout: &'c Layout, live: &'c Examined<'c>, pages: &'c Pages<'c>) -> Self {
        Claims {
            layout,
            live,
            pages,
            at_once: false,
            all: Vec::new(),
            ended: None,
        }
    }

    /// Reads the process as it is now, or as it was at the beginning of [`at_once`](Self::at_once).
    pub(super) fn reader(&self) -> Reader<'c> {
        if !self.at_once {
            self.pages.renew();
        }
        Reader {
            layout: self.layout,
            live: self.live,
            pages: self.pages,
        }
    }

    /// Puts several claims to one object as it is at one moment.
    pub(super) fn at_once(&mut self, claims: impl FnOnce(&mut Self)) {
        self.pages.renew();
        self.at_once = true;
        claims(self);
        self.at_once = false;
    }

    /// Puts a claim to one object that would be true of other places too: a small number, a size, an address among many.
    /// Nothing is confirmed by it.
    pub(super) fn plausible(
        &mut self,
        fields: &'static [Field],
        text: &'static str,
        holds: impl FnMut(Reader<'c>) -> Result<bool, Skip>,
    ) {
        self.put(fields, text, false, holds);
    }

    /// Puts a claim to one object that is true of no other place. May be called many times with the same fields and text.
    pub(super) fn claim(
        &mut self,
        fields: &'static [Field],
        text: &'static str,
        holds: impl FnMut(Reader<'c>) -> Result<bool, Skip>,
    ) {
        self.put(fields, text, true, holds);
    }

    /// Two words are not read at the same moment: a thread may take up another goroutine between the reading of
    /// `m.curg` and that of `g.m`. So what is found false of an object is looked at again before it counts.
    fn put(
        &mut self,
        fields: &'static [Field],
        text: &'static str,
        proves: bool,
        mut holds: impl FnMut(Reader<'c>) -> Result<bool, Skip>,
    ) {
        if self.ended.is_some() {
            return;
        }
        let mut answer = holds(self.reader());
        let (mut looks, mut moves) = (1, 1);
        loop {
            let (count, most) = match &answer {
                Ok(false) => (&mut looks, LOOKS),
                Err(Skip::Unreadable(why)) if !why.is_final() => (&mut looks, LOOKS),
                Err(Skip::Moved) => (&mut moves, LOOKS_AT_MOVING),
                _ => break,
            };
            if *count == most {
                break;
            }
            *count += 1;
            self.pages.renew();
            answer = holds(self.reader());
        }
        let vote = match answer {
            Ok(vote) => Some(vote),
            Err(Skip::Unreadable(why)) if why.is_final() => {
                self.ended = Some(why);
                return;
            }
            // An address that leads nowhere came out of one of the fields.
            Err(Skip::Unreadable(_)) => Some(false),
            Err(Skip::Unknown | Skip::DoesNotApply | Skip::Moved) => None,
        };
        let known = |claim: &&mut Claim| claim.text == text && claim.fields == fields;
        let claim = match self.all.iter_mut().find(known) {
            Some(claim) => claim,
            None => {
                self.all.push(Claim {
                    fields,
                    text,
                    proves,
                    yes: 0,
                    no: 0,
                    now: (0, 0),
                });
                match self.all.last_mut() {
                    Some(claim) => claim,
                    None => return,
                }
            }
        };
        match vote {
            Some(true) => claim.now.0 += 1,
            Some(false) => claim.now.1 += 1,
            None => {}
        }
    }

    /// Ends an attempt; whether another one is wanted, since a claim was found false in all of them.
    pub(super) fn end_attempt(&mut self) -> bool {
        for claim in &mut self.all {
            if !claim.holds() {
                (claim.yes, claim.no) = claim.now;
            }
            claim.now = (0, 0);
        }
        self.ended.is_none() && self.all.iter().any(Claim::has_failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::layout::globals::Globals;
    use crate::go::memory_image::MemoryImage;

    /// How a claim fares of which the first so many looks find it false.
    fn after_false(looks: usize) -> Claim {
        after(looks, || Ok(false))
    }

    /// The same, with another answer.
    fn after(looks: usize, answer: impl Fn() -> Result<bool, Skip>) -> Claim {
        let (layout, globals, memory) = (
            Layout::unknown("a test"),
            Globals::default(),
            MemoryImage::new(),
        );
        let live = Examined {
            memory: &memory,
            globals: &globals,
            bias: 0,
            code: Vec::new(),
            main: Vec::new(),
        };
        let pages = Pages::new(&memory);
        let mut claims = Claims::new(&layout, &live, &pages);
        let mut seen = 0;
        claims.claim(&[], "it holds", |_| {
            seen += 1;
            if seen > looks { Ok(true) } else { answer() }
        });
        claims.end_attempt();
        claims.all.remove(0)
    }

    #[test]
    fn what_is_in_motion_is_looked_at_again() {
        assert!(after_false(0).holds());
        assert!(after_false(LOOKS - 1).holds());
        assert!(after_false(LOOKS).has_failed());
    }

    #[test]
    fn what_would_be_true_of_other_places_proves_nothing() {
        let mut report = super::super::Report::default();
        for (fields, proves) in [(&[Field::GGoid], true), (&[Field::GWaitreason], false)] {
            report.claims.push(Claim {
                fields,
                text: "it holds",
                proves,
                yes: 3,
                no: 0,
                now: (0, 0),
            });
        }
        assert!(report.confirms(Field::GGoid) && !report.confirms(Field::GWaitreason));
    }

    #[test]
    fn of_what_never_stands_still_nothing_is_known() {
        let moving = |looks| after(looks, || Err(Skip::Moved));
        assert!(moving(LOOKS_AT_MOVING - 1).holds());
        let never = moving(LOOKS_AT_MOVING);
        assert!(!never.holds() && !never.has_failed());
    }
}
