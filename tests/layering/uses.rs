//! Which files of `src` use which others.
//!
//! What counts is the text: paths, and names that were imported. A re-export stands for the file that it is from; that a
//! `mod.rs` declares and re-exports its children is no use of them. Tests may use what they like.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Token, tokens};

/// A module, or what is in it, from the crate's root on.
type Path = Vec<String>;

/// A path as it is used in a file.
struct Used {
    path: Path,
    /// The name by which it is known in the module, where it is imported.
    name: Option<String>,
    is_exported: bool,
}

/// The module that a file is.
fn module(file: &str) -> Path {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    let root = matches!(path, "lib" | "main");
    let parts = path.split('/').map(str::to_owned);
    if root { Path::new() } else { parts.collect() }
}

/// The files that each of these files uses.
pub(crate) fn edges(texts: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    Sources::of(texts).edges()
}

/// All files below `src`, by module.
struct Sources<'s> {
    files: BTreeMap<Path, &'s str>,
    tokens: BTreeMap<&'s str, Vec<Token>>,
    /// What is exported under another module's name.
    exported: BTreeMap<Path, Path>,
    /// Modules of which all is exported under another's name.
    all_of: BTreeMap<Path, Vec<Path>>,
}

impl<'s> Sources<'s> {
    fn of(texts: &'s BTreeMap<String, String>) -> Self {
        let names = texts.keys().map(String::as_str);
        let names: Vec<&str> = names
            .filter(|it| !matches!(*it, "lib.rs" | "main.rs"))
            .collect();
        let tokens = names
            .iter()
            .map(|it| (*it, without_tests(tokens(&texts[*it]))));
        let mut sources = Self {
            files: names.iter().map(|it| (module(it), *it)).collect(),
            tokens: tokens.collect(),
            exported: BTreeMap::new(),
            all_of: BTreeMap::new(),
        };
        for name in names {
            for used in sources.used(name).into_iter().filter(|it| it.is_exported) {
                let mut place = module(name);
                if used.name.as_deref() == Some("*") {
                    sources.all_of.entry(place).or_default().push(used.path);
                    continue;
                }
                place.extend(used.name);
                sources.exported.insert(place, used.path);
            }
        }
        sources
    }

    /// The file that has what a path names.
    fn file(&self, path: &[String]) -> Option<&'s str> {
        let mut path = path.to_vec();
        // Exports of exports; no chain is longer.
        for _ in 0..8 {
            let known = (0..=path.len()).rev();
            let known = known.map(|len| &path[..len]);
            let exported = known
                .clone()
                .find_map(|it| Some((it.len(), self.exported.get(it)?)));
            let held = known
                .clone()
                .find_map(|it| Some((it.len(), *self.files.get(it)?)));
            match (exported, held) {
                (Some((at, to)), held) if held.is_none_or(|(len, _)| at > len) => {
                    path = [to.as_slice(), &path[at..]].concat();
                }
                (_, held) => {
                    let (len, file) = held?;
                    let all_of = self.all_of.get(&path[..len]);
                    let mut all_of = all_of.into_iter().flatten();
                    let Some(name) = path.get(len) else {
                        return Some(file);
                    };
                    match all_of.find(|it| self.defines(it, name)) {
                        Some(of) => path = [of.as_slice(), &path[len..]].concat(),
                        None => return Some(file),
                    }
                }
            }
        }
        None
    }

    /// Whether something of that name is from this module.
    fn defines(&self, module: &Path, name: &str) -> bool {
        const WORDS: [&str; 9] = [
            "struct", "enum", "fn", "const", "static", "type", "trait", "union", "mod",
        ];
        let file = self.files.get(module);
        let mut pairs = file
            .into_iter()
            .flat_map(|file| self.tokens[file].windows(2));
        pairs.any(|it| it[1].text == name && WORDS.contains(&&*it[0].text))
    }

    /// All paths in a file.
    fn used(&self, file: &str) -> Vec<Used> {
        let tokens = &self.tokens[file];
        let mut found = Vec::new();
        let mut imported: BTreeMap<String, Path> = BTreeMap::new();
        let mut at = 0;
        while at < tokens.len() {
            let text = &*tokens[at].text;
            if text == "use" {
                let is_exported = at > 0 && matches!(&*tokens[at - 1].text, "pub" | ")");
                let mut ends = Vec::new();
                at = group(tokens, at + 1, &Path::new(), &mut ends);
                for (path, name) in ends {
                    let Some(path) = self.absolute(file, &path, &BTreeMap::new()) else {
                        continue;
                    };
                    imported.insert(name.clone(), path.clone());
                    found.push(Used {
                        path,
                        name: Some(name),
                        is_exported,
                    });
                }
                continue;
            }
            let begins = is_name(text) && at > 0 && !matches!(&*tokens[at - 1].text, "::" | ".");
            if begins && tokens.get(at + 1).is_some_and(|it| it.text == "::") {
                let mut path = vec![text.to_owned()];
                while let [colons, next, ..] = &tokens[at + 1..]
                    && colons.text == "::"
                    && is_name(&next.text)
                {
                    path.push(next.text.clone());
                    at += 2;
                }
                let path = self.absolute(file, &path, &imported);
                found.extend(path.map(|path| Used {
                    path,
                    name: None,
                    is_exported: false,
                }));
            }
            at += 1;
        }
        found
    }

    /// A path as it is written in a file, from the root on; `None` for what is not of this crate.
    fn absolute(
        &self,
        file: &str,
        path: &[String],
        imported: &BTreeMap<String, Path>,
    ) -> Option<Path> {
        let here = module(file);
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" | "grtmon" => Some(rest.to_vec()),
            "self" => Some([here.as_slice(), rest].concat()),
            "super" => {
                let ups = path.iter().take_while(|it| *it == "super").count();
                let above = &here[..here.len().saturating_sub(ups)];
                Some([above, &path[ups..]].concat())
            }
            name => match imported.get(name) {
                Some(path) => Some([path.as_slice(), rest].concat()),
                None => {
                    let inner = [here.as_slice(), path].concat();
                    let is_child = self.files.contains_key(&inner[..=here.len()]);
                    is_child.then_some(inner)
                }
            },
        }
    }

    /// The files that each file uses.
    fn edges(&self) -> BTreeMap<&'s str, BTreeSet<&'s str>> {
        let edges = self.tokens.iter().map(|(file, tokens)| {
            let used = self.used(file);
            let real = used.iter().filter(|it| {
                // What is exported may be used here all the same.
                let name = it.name.as_deref().filter(|_| it.is_exported);
                name.is_none_or(|name| outside_of_uses(tokens).any(|it| it == name))
            });
            let to = real.filter_map(|it| self.file(&it.path));
            (*file, to.filter(|to| to != file).collect())
        });
        edges.collect()
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_alphabetic() || it == '_')
}

/// The names of a file but for those in its `use` declarations.
fn outside_of_uses(tokens: &[Token]) -> impl Iterator<Item = &str> {
    let mut is_use = false;
    tokens.iter().filter_map(move |token| {
        match &*token.text {
            "use" => is_use = true,
            ";" => is_use = false,
            text if !is_use => return Some(text),
            _ => {}
        }
        None
    })
}

/// Leaves out modules that are for tests.
fn without_tests(all: Vec<Token>) -> Vec<Token> {
    const TEST: [&str; 8] = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let is_test = TEST
            .iter()
            .zip(&all[at..])
            .filter(|(it, token)| token.text == **it);
        if is_test.count() < TEST.len() {
            kept.push(all[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0_usize;
        loop {
            let text = all.get(at).map_or(";", |it| &*it.text);
            at += 1;
            match text {
                "{" => depth += 1,
                "}" => depth -= 1,
                ";" if depth == 0 => break,
                _ => continue,
            }
            if depth == 0 {
                break;
            }
        }
    }
    kept
}

/// Reads the tree of a `use` at this token: each path in it with the name that it gets. Returns the place behind it.
fn group(tokens: &[Token], mut at: usize, prefix: &Path, found: &mut Vec<(Path, String)>) -> usize {
    let text = |at: usize| tokens.get(at).map_or(";", |it| &*it.text);
    let mut path = prefix.clone();
    loop {
        match text(at) {
            "::" => at += 1,
            "{" => {
                at += 1;
                while !matches!(text(at), "}" | ";") {
                    at = group(tokens, at, &path, found);
                    at += usize::from(text(at) == ",");
                }
                return at + 1;
            }
            "as" => {
                if let Some((_, name)) = found.last_mut() {
                    text(at + 1).clone_into(name);
                }
                return at + 2;
            }
            name if is_name(name) => {
                if name != "self" || path.is_empty() {
                    path.push(name.to_owned());
                }
                at += 1;
                if text(at) != "::" {
                    let name = path.last().cloned().unwrap_or_default();
                    found.push((path.clone(), name));
                    if text(at) != "as" {
                        return at;
                    }
                }
            }
            "*" => {
                found.push((path.clone(), "*".to_owned()));
                return at + 1;
            }
            _ => return at + 1,
        }
    }
}
