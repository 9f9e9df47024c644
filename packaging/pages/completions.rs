//! Completions for bash, zsh and fish, from the definition of the command line.

use clap::Command;
use clap::CommandFactory;
use clap_complete::Shell;
use grtmon::cli::Cli;

/// Name, as the shell expects it, and text of each script.
pub(crate) fn scripts() -> Vec<(&'static str, Vec<u8>)> {
    [
        (Shell::Bash, "grtmon.bash"),
        (Shell::Zsh, "_grtmon"),
        (Shell::Fish, "grtmon.fish"),
    ]
    .into_iter()
    .map(|(shell, name)| {
        // In zsh the words behind `--` are completed as a command; bash would offer the words "[COMMAND]...".
        let mut cli = offered(&Cli::command(), shell == Shell::Zsh);
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut cli, "grtmon", &mut script);
        (name, script)
    })
    .collect()
}

/// The command line without what is hidden: clap_complete offers that too.
fn offered(command: &Command, positionals: bool) -> Command {
    let arguments = command
        .get_arguments()
        .filter(|it| it.is_positional() && positionals || !it.is_positional() && !it.is_hide_set());
    let subcommands = command.get_subcommands().filter(|it| !it.is_hide_set());
    // clap keeps names that live for ever.
    let mut kept = Command::new(&*command.get_name().to_owned().leak())
        .disable_help_subcommand(true)
        .args(arguments)
        .subcommands(subcommands.map(|it| offered(it, positionals)));
    if let Some(about) = command.get_about() {
        kept = kept.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        kept = kept.version(&*version.to_owned().leak());
    }
    kept
}
