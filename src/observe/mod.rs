//! Observing: what commands have in common between the arguments and the printed line. Which processes there are and
//! what is read of them, probes from their plan to the account of what they lost and cost, the names of what was seen.
//!
//! A command parses, composes what is here, and prints. Nothing here writes: who is to be told something is a [`Voice`],
//! where rows go a [`Rows`](rows::Rows).

pub mod allocated;
pub mod by_process;
mod changes;
pub mod cost;
pub mod cpu_profile;
pub mod cpu_rate;
mod goroutines;
pub mod looks;
pub mod names;
pub mod node;
pub mod observation;
pub mod panels;
pub mod preexisting;
pub mod reader;
pub mod rows;
pub mod run;
pub mod sampler;
pub mod sched;
pub mod session;
pub mod stop;
pub mod wall_profile;

pub use self::observation::Observation;
pub use self::observation::Observed;
pub use self::session::Session;

/// Who is told what people should know, as it happens.
pub trait Voice: Sync {
    /// A line for people.
    fn note(&self, line: &str);
    /// One that says what is not as it should be.
    fn warn(&self, line: &str);
}
