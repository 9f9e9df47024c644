//! The man page says what `--help` says, and man and mandoc have nothing against it.

use std::process::Command;

use clap::CommandFactory;
use grtmon::cli::Cli;

use super::{
    common::grtmon,
    man,
    run::{Scratch, have, output},
};

/// The page as it is read at 80 columns, without emphasis.
fn rendered() -> String {
    let scratch = Scratch::new();
    let file = scratch.file("grtmon.8", man::page("2026-11-25").unwrap());
    let width = ["-Tutf8", "-Owidth=80"];
    let page = output(Command::new("mandoc").args(width).arg(file));
    // A letter in bold is that letter, a backspace, and it again.
    let mut plain = String::new();
    for letter in page.chars() {
        if letter == '\u{8}' {
            plain.pop();
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// The part of the page below a heading that ends at the next one as little indented.
fn below<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = page.lines().skip_while(|it| it.trim() != heading);
    let first = lines.next().unwrap_or_else(|| panic!("no {heading}"));
    lines
        .take_while(|it| it.is_empty() || indent(it) > indent(first))
        .collect()
}

#[test]
fn nothing_is_wrong_with_it() {
    if !have("mandoc") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("grtmon.8", man::page("2026-11-25").unwrap());
    output(
        Command::new("mandoc")
            .args(["-Tlint", "-Wwarning"])
            .arg(file),
    );
    let wide: Vec<String> = rendered()
        .lines()
        .filter(|it| it.chars().count() > 80)
        .map(str::to_owned)
        .collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn groff_warns_of_nothing() {
    if !have("groff") {
        return;
    }
    let scratch = Scratch::new();
    let file = scratch.file("grtmon.8", man::page("2026-11-25").unwrap());
    let arguments = ["-K", "utf8", "-man", "-ww", "-Tutf8", "-z"];
    let said = Command::new("groff").args(arguments).arg(file).output();
    let said = String::from_utf8(said.unwrap().stderr).unwrap();
    assert_eq!(said, "");
}

#[test]
fn nothing_is_left_to_be_put_in() {
    let page = man::page("2026-11-25").unwrap();
    let left = page.lines().find(|it| it.starts_with('@'));
    assert_eq!(left, None);
}

#[test]
fn it_has_every_command_with_every_option() {
    if !have("mandoc") {
        return;
    }
    let page = rendered();
    let synopsis = below(&page, "SYNOPSIS").join("\n");
    let mut waiting = vec![("grtmon".to_owned(), Cli::command())];
    while let Some((name, command)) = waiting.pop() {
        for sub in command.get_subcommands().filter(|it| !it.is_hide_set()) {
            let name = format!("{name} {}", sub.get_name());
            assert!(synopsis.contains(&name), "{name}");
            let section = below(&page, &name).join("\n");
            for option in sub.get_arguments().filter(|it| !it.is_hide_set()) {
                let long = option.get_long().unwrap();
                assert!(section.contains(&format!("--{long}")), "{name} --{long}");
            }
            waiting.push((name, sub.clone()));
        }
    }
    assert!(!page.contains("__start"));
}

#[test]
fn it_has_the_words_of_help() {
    if !have("mandoc") {
        return;
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let page = words(&rendered());
    let help = grtmon(&["--help"]).success().stdout;
    let (_, examples) = help.split_once("Examples:").unwrap();
    assert!(page.contains(&words(examples)), "{page}");
    for sub in Cli::command()
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
    {
        let about = sub.get_about().unwrap().to_string();
        assert!(page.contains(&words(&about)), "{about}");
    }
}
