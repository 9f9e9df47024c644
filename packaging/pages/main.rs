//! `cargo run --example pages -- DIRECTORY DATE`: writes what goes into packages beside the executable: the man page (of
//! this date, YYYY-MM-DD), the shell completions, and the licences of what is linked in. An example, so that the shipped
//! executable does not carry what makes them.

mod completions;
mod man;
mod notices;

use std::env;
use std::fs;
use std::io::Error;
use std::path::PathBuf;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [directory, date] = arguments.as_slice() else {
        return Err(Error::other("expected DIRECTORY DATE"));
    };
    let directory = PathBuf::from(directory);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("grtmon.8"), man::page(date)?)?;
    for (name, script) in completions::scripts() {
        fs::write(directory.join(name), script)?;
    }
    let targets = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];
    fs::write(directory.join("THIRD-PARTY"), notices::notices(&targets)?)?;
    Ok(())
}
