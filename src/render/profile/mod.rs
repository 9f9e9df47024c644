//! Profiles for people, for programs, and for those that draw flame graphs. (For `go tool pprof`: [`super::pprof`].)

mod folded;
mod json;
mod table;

pub use self::folded::folded;
pub use self::json::json;
pub use self::table::fit;
pub use self::table::table;
