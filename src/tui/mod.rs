//! The live view: what is shown (`state`), how it is drawn (`draw`), and the terminal it is drawn on.
//!
//! State and drawing are pure: they get what was read as [`crate::model`] has it, and keys; what is to be done comes back
//! as an [`Action`](state::Action). They know nothing of processes, probes or clocks.

pub mod choices;
pub mod draw;
pub mod filter;
pub mod growth;
pub mod history;
pub mod look;
pub mod plot;
pub mod process;
pub mod processes;
pub mod rows;
pub mod scale;
pub mod state;
pub mod table;
pub mod terminal;

#[cfg(test)]
mod tests;
