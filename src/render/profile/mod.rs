//! Profiles for people, for programs, and for those that draw flame graphs. (For `go tool pprof`: [`super::pprof`].)

mod difference;
mod folded;
mod html;
mod json;
mod table;
mod types;

pub use self::difference::folded_difference;
pub use self::difference::table_of_changes;
pub use self::folded::folded;
pub use self::html::html;
pub use self::json::json;
pub use self::table::fit;
pub use self::table::fit_of_changed_types;
pub use self::table::fit_of_changes;
pub use self::table::size;
pub use self::table::table;
pub use self::types::fit as types_fit;
pub use self::types::table as types_table;
