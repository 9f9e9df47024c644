//! The man page: grtmon.8.in, with what clap knows put in, so that it says what `--help` says.

use std::io::Error;

use clap::Command;
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::Inline;
use clap_mangen::roff::Roff;
use clap_mangen::roff::bold;
use clap_mangen::roff::roman;
use grtmon::cli::Cli;

/// What is written by hand. A line such as `@COMMANDS@` stands for what is not.
const TEMPLATE: &str = include_str!("grtmon.8.in");

/// The page in man(7), dated `YYYY-MM-DD`.
pub(crate) fn page(date: &str) -> Result<String, Error> {
    let mut cli = Cli::command();
    cli.build();
    let commands = shown(&cli);
    let mut described = String::new();
    for command in &commands {
        described.push_str(&section(command)?);
    }
    let page = TEMPLATE
        .replace("@DATE@", date)
        .replace("@VERSION@", cli.get_version().unwrap_or_default())
        .replace("@SYNOPSIS@\n", &synopsis(&commands))
        .replace("@COMMANDS@\n", &described)
        .replace("@EXAMPLES@\n", after_help(&cli).trim_start_matches(".PP\n"));
    Ok(page)
}

/// The subcommands that `--help` shows, each followed by those below it.
fn shown(command: &Command) -> Vec<Command> {
    command
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
        .flat_map(|it| [vec![it.clone()], shown(it)].concat())
        .collect()
}

/// The ways to call each command, one a line.
fn synopsis(commands: &[Command]) -> String {
    let mut roff = Roff::new();
    for command in commands {
        // The usage of `grtmon gr` also says how its subcommand is called.
        if let Some(line) = usage(command).first() {
            break_line(&mut roff);
            roff.text(highlighted(command, line));
        }
    }
    roff.to_roff()
}

/// A command with its options, as a subsection.
fn section(command: &Command) -> Result<String, Error> {
    let mut roff = Roff::new();
    roff.control("SS", [full_name(command)]);
    let mut lines = Roff::new();
    for line in usage(command) {
        break_line(&mut lines);
        lines.text(highlighted(command, &line));
    }
    roff.extend([lines]);
    if let Some(about) = command.get_about() {
        roff.control("PP", []);
        roff.text([roman(format!("{about}."))]);
    }
    // `--help` is the same everywhere, and said once.
    let options = command.clone().mut_arg("help", |it| it.hide(true));
    let mut rendered = Vec::new();
    Man::new(options).render_options_section(&mut rendered)?;
    let rendered = String::from_utf8(rendered).map_err(Error::other)?;
    // The heading is that of a page of its own; the two breaks are what mandoc warns of.
    let rendered = rendered
        .replacen(".SH OPTIONS\n", "", 1)
        .replace("\n.br\n\n.br\n", "\n.sp\n");
    Ok(roff.to_roff() + &rendered + &after_help(command))
}

/// A line of its own for what follows; mandoc does not like a break where a line begins anyway.
fn break_line(roff: &mut Roff) {
    if !roff.to_roff().is_empty() {
        roff.control("br", []);
    }
}

/// `grtmon gr seq`
fn full_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or_else(|| command.get_name())
}

/// What `--help` has behind `Usage:`.
fn usage(command: &Command) -> Vec<String> {
    let text = command.clone().render_usage().to_string();
    text.trim_start_matches("Usage:")
        .lines()
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect()
}

/// A line of usage with the command in bold.
fn highlighted(command: &Command, line: &str) -> Vec<Inline> {
    let name = full_name(command);
    match line.strip_prefix(name) {
        Some(rest) => vec![bold(name), roman(rest)],
        None => vec![roman(line)],
    }
}

/// What `--help` ends with. Indented lines are examples or tables, which keep their form; the page has an indent of its own.
fn after_help(command: &Command) -> String {
    let Some(text) = command.get_after_help() else {
        return String::new();
    };
    let mut roff = Roff::new();
    let mut indented = false;
    for line in text.to_string().lines() {
        if line == "Examples:" {
            continue; // the name of the section
        }
        match (indented, line.starts_with(' ')) {
            (false, true) => _ = roff.control("nf", []),
            (true, false) => _ = roff.control("fi", []).control("PP", []),
            _ => {}
        }
        indented = line.starts_with(' ');
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    if indented {
        roff.control("fi", []);
    }
    ".PP\n".to_owned() + &roff.to_roff()
}
