//! The completions are such as their shells read, and offer what there is to write.

use std::{collections::BTreeSet, path::PathBuf, process::Command};

use clap::CommandFactory;
use grtmon::cli::Cli;

use super::{
    completions,
    run::{Scratch, have, output},
};

/// The script for a shell, as a file.
fn script(scratch: &Scratch, wanted: &str) -> PathBuf {
    let scripts = completions::scripts();
    let (name, text) = scripts.iter().find(|(name, _)| *name == wanted).unwrap();
    scratch.file(name, text)
}

/// The names of the subcommands that `--help` shows.
fn subcommands() -> BTreeSet<String> {
    Cli::command()
        .get_subcommands()
        .filter(|it| !it.is_hide_set())
        .map(|it| it.get_name().to_owned())
        .collect()
}

/// What `--help` shows of the options of `gc`.
fn options_of_gc() -> BTreeSet<String> {
    let cli = Cli::command();
    let shown = cli.find_subcommand("gc").unwrap().get_arguments();
    shown
        .filter(|it| !it.is_hide_set())
        .filter_map(|it| Some(format!("--{}", it.get_long()?)))
        .collect()
}

/// What bash offers for the last of these words.
fn bash_offers(words: &[&str]) -> BTreeSet<String> {
    let scratch = Scratch::new();
    let file = script(&scratch, "grtmon.bash");
    let ask = r#". "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _grtmon grtmon "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask, "bash"])
        .arg(file)
        .args(words);
    output(&mut bash).lines().map(str::to_owned).collect()
}

#[test]
fn bash() {
    if !have("bash") {
        return;
    }
    let mut offered = bash_offers(&["grtmon", ""]);
    offered.retain(|it| !it.starts_with('-'));
    assert_eq!(offered, subcommands());
    let mut offered = bash_offers(&["grtmon", "gc", "--"]);
    offered.remove("--help");
    assert_eq!(offered, options_of_gc());
    let offered = bash_offers(&["grtmon", "dump", "--output", ""]);
    assert!(offered.contains("pprof"), "{offered:?}");
}

#[test]
fn fish() {
    if !have("fish") {
        return;
    }
    let scratch = Scratch::new();
    let file = script(&scratch, "grtmon.fish");
    let offers = |line: &str| -> BTreeSet<String> {
        let mut fish = Command::new("fish");
        fish.env("HOME", &scratch.0).args(["--no-config", "-c"]);
        fish.arg("source $argv[1]; complete -C $argv[2]");
        let text = output(fish.arg(&file).arg(line));
        let names = text.lines().filter_map(|it| it.split('\t').next());
        names.map(str::to_owned).collect()
    };
    assert_eq!(offers("grtmon "), subcommands());
    let mut offered = offers("grtmon gc --");
    offered.remove("--help");
    assert_eq!(offered, options_of_gc());
}

/// To be asked, zsh would need a terminal.
#[test]
fn zsh() {
    if !have("zsh") {
        return;
    }
    let scratch = Scratch::new();
    let file = script(&scratch, "_grtmon");
    output(Command::new("zsh").args(["--no-rcs", "-n"]).arg(&file));
    let text = std::fs::read_to_string(file).unwrap();
    for name in subcommands() {
        assert!(text.contains(&format!("({name})\n")), "{name}");
    }
    for option in options_of_gc() {
        assert!(text.contains(&option), "{option}");
    }
    assert!(!text.contains("__start"));
}
