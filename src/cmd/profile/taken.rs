//! What comes of reading processes.

use anyhow::Result;

use crate::model::loss::Loss;
use crate::model::profile::Profile;

/// What was read of one process.
pub(super) struct Taken {
    /// The profile.
    pub(super) profile: Profile,
    /// What it is of, for people: a clause.
    pub(super) about: String,
    /// What is missing or to be known besides, and is not said by how it was sampled.
    pub(super) warnings: Vec<String>,
}

/// What was read of several.
pub(super) struct Together {
    /// Of each, in their order.
    pub(super) each: Vec<Result<Taken>>,
    /// What was lost of all of them together.
    pub(super) losses: Vec<Loss>,
}
