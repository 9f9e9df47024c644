//! See what the Go runtime inside a running process is doing, from outside.
//!
//! This library exists for the `grtmon` command and its tests; it is not a public API.

pub mod go;
