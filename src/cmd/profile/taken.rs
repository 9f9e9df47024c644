//! What comes of reading a process.

use crate::model::profile::Profile;

/// What was read of one process.
pub(super) struct Taken {
    /// The profile.
    pub(super) profile: Profile,
    /// What it is of, for people: a clause.
    pub(super) about: String,
    /// What is missing or to be known besides.
    pub(super) warnings: Vec<String>,
}
