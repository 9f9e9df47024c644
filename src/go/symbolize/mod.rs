//! From an address in the code to the words in which Go would print it.

pub mod code_address;
pub mod display_name;
pub mod shown;
pub mod wrapper;
