//! What code says of members.

use std::collections::BTreeMap;

use crate::go::layout::Field;

/// What the code of a binary says of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where it is.
    pub offset: u32,
    /// How many functions say so.
    pub functions: usize,
    /// The one with the shortest name.
    pub one: String,
}

/// Where too little code for it to be believed says that members are.
pub type Doubts = BTreeMap<Field, Vec<u32>>;
