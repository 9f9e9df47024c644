//! What is told apart by process (`--by pid`).

use std::sync::Arc;

use crate::model::process::Named;
use crate::target::Scope;
use crate::target::Target;

/// What is known of each process, in the order in which they were met.
#[derive(Debug)]
pub struct ByProcess<T>(Vec<(Named, T)>);

impl<T: Default> ByProcess<T> {
    /// Nothing yet, of the processes that were asked for, and of those that run these programs now: what does nothing is
    /// among them.
    pub fn of<'t>(targets: impl IntoIterator<Item = &'t Target>) -> Self {
        let mut all = Self(Vec::new());
        for target in targets {
            let processes = match &target.scope {
                Scope::Only(asked_for) => asked_for.clone(),
                Scope::Everyone => target.processes(),
            };
            for process in processes {
                all.entry(target, process.pid.cast_unsigned());
            }
        }
        all
    }

    /// What is known of a process of this program, which records name so.
    pub fn entry(&mut self, target: &Target, number: u32) -> &mut T {
        let is_it = |(of, _): &(Named, T)| of.number == number && *of.program == *target.name;
        let index = self.0.iter().position(is_it).unwrap_or(self.0.len());
        if index == self.0.len() {
            self.0.push((named(target, number), T::default()));
        }
        &mut self.0[index].1
    }

    /// All of it, those first of which `rank` is greatest.
    pub fn ranked(self, rank: impl Fn(&T) -> u64) -> Vec<(Named, T)> {
        let mut all = self.0;
        all.sort_by_key(|(process, of)| (std::cmp::Reverse(rank(of)), process.number));
        all
    }
}

/// A process of a program, which records name so.
pub fn named(target: &Target, number: u32) -> Named {
    Named {
        number,
        program: Arc::from(target.name.as_str()),
    }
}
