//! The processes under observation and the binary they run.

mod absence;
mod aside;
mod aside_process;
mod attributes;
mod budget;
pub mod checked;
pub mod child;
pub mod clock;
pub mod closed;
pub mod closed_output;
pub mod code_in_memory;
pub mod code_maps;
mod contents;
pub mod core_dump;
pub mod cpu;
pub mod every_text;
mod extent;
pub mod family;
mod far;
mod fault;
mod file_id;
mod follow;
pub mod fork_copy;
mod fuse;
mod go_sections;
pub mod guard;
pub mod last_words;
mod lease;
pub mod limits;
pub mod live;
mod look;
pub mod machine;
pub mod mapped;
mod maps;
pub mod memory;
mod memory_file;
pub mod namespace;
mod no_program;
mod open;
mod opened;
pub mod own_code;
mod patience;
pub mod pipe;
mod plugins;
pub mod proc_mount;
pub mod process;
mod program;
mod program_file;
pub mod refusal;
mod resolve;
mod same_pages;
pub mod signals;
pub mod survey;
#[expect(
    clippy::module_inception,
    reason = "the one thing that this layer is about"
)]
mod target;
mod texts;
mod time_namespace;
pub mod tracer;
mod unpacked;
pub mod watch;
mod within;
pub mod witness;

pub use self::open::descriptor_path;
pub use self::open::open_regular;
pub use self::program::Program;
pub use self::program_file::ProgramFile;
pub use self::resolve::Resolved;
pub use self::resolve::Selection;
pub use self::resolve::resolve;
pub use self::resolve::resolve_telling;
pub use self::target::Left;
pub use self::target::Scope;
pub use self::target::Target;
