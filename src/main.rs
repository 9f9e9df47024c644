//! The `grtmon` command. Everything is in the library; see `grtmon::cmd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    grtmon::cmd::main()
}
