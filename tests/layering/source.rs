//! Reads which modules and crates a Rust file names, from its tokens.

/// The first name of a path: a module of this crate, or what may be a foreign crate.
#[derive(Debug)]
pub(crate) struct Mention {
    /// Counted from 1.
    pub(crate) line: usize,
    /// As written.
    pub(crate) name: String,
    /// `true` for a module directly under the crate's root.
    pub(crate) ours: bool,
}

/// A token that matters here: a name, `::`, or one character of punctuation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// All paths in a file, given its path below `src` and its text.
pub(crate) fn mentions(path: &str, text: &str) -> Vec<Mention> {
    let tokens = tokens(text);
    let file = module_depth(path);
    let mut inner = Vec::new(); // brace depths at which a `mod name {` began
    let mut depth = 0_usize;
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match &*token.text {
            "{" => {
                if at >= 2 && tokens[at - 2].text == "mod" {
                    inner.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if inner.last() == Some(&depth) {
                    inner.pop();
                }
            }
            "use" => group(&tokens, at + 1, None, file + inner.len(), &mut found),
            _ if begins_path(&tokens, at) => {
                group(&tokens, at, None, file + inner.len(), &mut found);
            }
            _ => {}
        }
        at += 1;
    }
    // A path in a `use` is met twice.
    found.sort_by(|a, b| (a.line, &a.name).cmp(&(b.line, &b.name)));
    found.dedup_by(|a, b| a.line == b.line && a.name == b.name);
    found
}

/// How many modules below the root the file's own module is: 1 for `go/mod.rs` and `cli.rs`.
fn module_depth(path: &str) -> usize {
    if matches!(path, "main.rs" | "lib.rs") {
        return 0;
    }
    path.split('/').count() - usize::from(path.ends_with("/mod.rs"))
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |it| &it.text)
}

fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_alphabetic() || it == '_')
}

/// `true` at the first name of `a::b` and at the name in `extern crate a`.
fn begins_path(tokens: &[Token], at: usize) -> bool {
    let before = at.checked_sub(1).map_or("", |it| text_at(tokens, it));
    let starts = before != "::" || at < 2 || !is_name(text_at(tokens, at - 2));
    is_name(text_at(tokens, at))
        && (text_at(tokens, at + 1) == "::" && starts && before != "."
            || before == "crate" && { at >= 2 && text_at(tokens, at - 2) == "extern" })
}

/// Where a path has got to: nowhere yet (`None`), or so many modules below the root.
type Place = Option<usize>;

/// Reads the path or group of paths at this token; `depth` is that of the module it stands in.
fn group(tokens: &[Token], start: usize, place: Place, depth: usize, found: &mut Vec<Mention>) {
    let mut at = start;
    let mut place = place;
    if text_at(tokens, at) == "::" {
        at += 1;
    }
    loop {
        let text = text_at(tokens, at);
        match text {
            "crate" | "grtmon" if place.is_none() => place = Some(0),
            "self" if place.is_none() => place = Some(depth),
            "super" => place = Some(place.unwrap_or(depth).saturating_sub(1)),
            "{" => {
                // Each element of the group begins after `{` or `,` at its own level.
                let mut level = 0_usize;
                let mut next = true;
                while let Some(token) = tokens.get(at) {
                    match &*token.text {
                        "{" => level += 1,
                        "}" => level -= 1,
                        _ if next && level == 1 => group(tokens, at, place, depth, found),
                        _ => {}
                    }
                    if level == 0 {
                        return;
                    }
                    next = matches!(&*token.text, "{" | ",");
                    at += 1;
                }
                return;
            }
            _ if is_name(text) => {
                // Deeper than the root it is the layer's own affair.
                if place.is_none_or(|it| it == 0) {
                    found.push(Mention {
                        line: tokens[at].line,
                        name: text.to_owned(),
                        ours: place.is_some(),
                    });
                }
                return;
            }
            _ => return,
        }
        if text_at(tokens, at + 1) != "::" {
            return;
        }
        at += 2;
    }
}

/// The tokens of a file without comments, strings, characters, lifetimes and numbers.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let characters: Vec<char> = text.chars().collect();
    let get = |at: usize| characters.get(at).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        let begin = at;
        match get(at) {
            '/' if get(at + 1) == '/' => {
                while at < characters.len() && get(at) != '\n' {
                    at += 1;
                }
            }
            '/' if get(at + 1) == '*' => {
                let mut depth = 0_usize;
                loop {
                    match (get(at), get(at + 1)) {
                        ('/', '*') => (depth, at) = (depth + 1, at + 2),
                        ('*', '/') => (depth, at) = (depth - 1, at + 2),
                        _ => at += 1,
                    }
                    if depth == 0 || at >= characters.len() {
                        break;
                    }
                }
            }
            '"' => at = end_of_string(&characters, at + 1),
            'r' if raw_string(&characters, at + 1).is_some() => {
                at = raw_string(&characters, at + 1).unwrap();
            }
            '\'' if get(at + 1) == '\\' => {
                at += 3;
                while at < characters.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            '\'' if get(at + 2) == '\'' => at += 3,
            '\'' => {
                at += 1;
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
            }
            ':' if get(at + 1) == ':' => {
                at += 2;
                tokens.push(Token {
                    text: "::".to_owned(),
                    line,
                });
            }
            it if it.is_alphanumeric() || it == '_' => {
                while get(at).is_alphanumeric() || get(at) == '_' {
                    at += 1;
                }
                let word: String = characters[begin..at].iter().collect();
                let prefix = matches!(&*word, "b" | "c") && get(at) == '"'
                    || matches!(&*word, "br" | "cr") && raw_string(&characters, at).is_some();
                if prefix {
                    at = raw_string(&characters, at)
                        .filter(|_| word.len() == 2)
                        .unwrap_or_else(|| end_of_string(&characters, at + 1));
                } else if is_name(&word) {
                    tokens.push(Token { text: word, line });
                }
            }
            it => {
                at += 1;
                if !it.is_whitespace() {
                    tokens.push(Token {
                        text: it.to_string(),
                        line,
                    });
                }
            }
        }
        let passed = &characters[begin..at.min(characters.len())];
        line += passed.iter().filter(|it| **it == '\n').count();
    }
    tokens
}

/// The position after the string whose first character is here.
fn end_of_string(characters: &[char], mut at: usize) -> usize {
    while let Some(it) = characters.get(at) {
        match it {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// The position after the raw string whose hashes or quote begin here, if one does.
fn raw_string(characters: &[char], start: usize) -> Option<usize> {
    let hashes = characters[start.min(characters.len())..]
        .iter()
        .take_while(|it| **it == '#')
        .count();
    let mut at = start + hashes;
    if characters.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < characters.len() {
        let closes = characters[at] == '"'
            && characters[at + 1..]
                .iter()
                .take(hashes)
                .filter(|it| **it == '#')
                .count()
                == hashes;
        if closes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(at)
}
