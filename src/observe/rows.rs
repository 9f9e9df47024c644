//! Where rows go, as far as an observation must know; and that nobody reads them any more.

use std::error::Error;
use std::fmt;

use anyhow::Result;

use crate::model::account::Account;
use crate::model::loss::Loss;

/// Where the rows of an observation go, as far as its way out must know.
pub trait Rows {
    /// At the end: waits for the reader, not for ever, and drops what is not written then.
    ///
    /// # Errors
    /// It cannot be written to.
    fn finish(&mut self) -> Result<()>;

    /// Rows that were not written because nobody read them, since the loss that was counted `before`.
    fn lost_after(&self, before: Option<Loss>) -> Option<Loss>;

    /// What is said when all is over.
    fn close(&mut self, account: &Account);
}

/// Whoever read what is written has gone. Of no other pipe is that a normal end.
#[derive(Debug)]
pub struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whoever read standard output has gone")
    }
}

impl Error for ReaderGone {}

/// Whether it is for that that something has failed.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<ReaderGone>())
}
