//! A profile as one HTML file with a flame graph, which needs nothing from elsewhere and runs nothing but its own script.
//!
//! The script and the style are files of their own (flame/), and the page's policy allows these two by their hashes and
//! forbids everything else. What the profile says is JSON in a block that no browser runs; names are foreign, and come
//! out of it as text only.

mod data;

use std::io::Write;

use crate::model::profile::Profile;

const PAGE: &str = include_str!("flame/page.html");
const STYLE: Part = Part {
    text: include_str!("flame/page.css"),
    hash: "sha256-e24tUyaa57GxwpmUedSKyoWdOkWAPFtlLkOj0gOrS/E=",
};
const TREE: Part = Part {
    text: include_str!("flame/tree.js"),
    hash: "sha256-7ODJ025lpwjXEhjYgEF061IXBmKlTqNxCXzQTPQSAYY=",
};
const VIEW: Part = Part {
    text: include_str!("flame/view.js"),
    hash: "sha256-Bg6oi9YKmiHdZObbqbzjgTc1EgeEx1Z6R6r9I6BT26o=",
};

/// What the page may use, and its hash, by which its policy allows it. A test says what it is after a change.
struct Part {
    text: &'static str,
    hash: &'static str,
}

/// The page; with a base, of what has changed since. `pid` is the process, if there is one.
pub fn html(out: &mut Vec<u8>, profile: &Profile, base: Option<&Profile>, pid: Option<u32>) {
    let mut rest = PAGE;
    while let Some((before, (hole, after))) = rest
        .split_once('{')
        .and_then(|(before, after)| Some((before, after.split_once('}')?)))
    {
        out.extend_from_slice(before.as_bytes());
        match hole {
            "scripts" => {
                let _ = write!(out, "'{}' '{}'", TREE.hash, VIEW.hash);
            }
            "style" => {
                let _ = write!(out, "'{}'", STYLE.hash);
            }
            "css" => out.extend_from_slice(STYLE.text.as_bytes()),
            "tree" => out.extend_from_slice(TREE.text.as_bytes()),
            "view" => out.extend_from_slice(VIEW.text.as_bytes()),
            "data" => harmless(out, &data::json(profile, base, pid)),
            _ => {}
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
}

/// JSON without what could end its block, or begin something else: these are in texts only, where they can be written so.
fn harmless(out: &mut Vec<u8>, json: &[u8]) {
    for byte in json {
        match byte {
            b'<' => out.extend_from_slice(b"\\u003c"),
            b'>' => out.extend_from_slice(b"\\u003e"),
            b'&' => out.extend_from_slice(b"\\u0026"),
            _ => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::model::profile::{Sample, sample};

    fn page(profile: &Profile, base: Option<&Profile>) -> String {
        let mut out = Vec::new();
        html(&mut out, profile, base, Some(42));
        String::from_utf8(out).unwrap()
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for group in bytes.chunks(3) {
            let all = [0, 1, 2].map(|at| group.get(at).copied().unwrap_or(0));
            let number = u32::from_be_bytes([0, all[0], all[1], all[2]]);
            for digit in 0..4 {
                out.push(match digit <= group.len() {
                    true => char::from(DIGITS[(number >> (18 - 6 * digit)) as usize & 63]),
                    false => '=',
                });
            }
        }
        out
    }

    fn sha256(text: &str) -> String {
        let mut sum = Command::new("sha256sum")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sum.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let output = sum.wait_with_output().unwrap().stdout;
        let bytes: Vec<u8> = (0..32)
            .map(|at| std::str::from_utf8(&output[2 * at..2 * at + 2]).unwrap())
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        format!("sha256-{}", base64(&bytes))
    }

    #[test]
    fn hashes_are_those_of_the_files() {
        for (name, part) in [("page.css", STYLE), ("tree.js", TREE), ("view.js", VIEW)] {
            assert_eq!(part.hash, sha256(part.text), "flame/{name} has changed");
        }
    }

    #[test]
    fn the_page_runs_nothing_else() {
        let page = page(&sample::heap(), None);
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains("unsafe-inline") && !page.contains("{data}"));
        for element in [
            "<link", "<img", "<iframe", "src=", "href=", "@import", "url(", "http:", "https:",
        ] {
            assert!(!page.contains(element), "{element}");
        }
        // Ways from a text to markup or to code.
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "createContextualFragment",
            "DOMParser",
            "setAttribute",
            "fetch(",
            "XMLHttpRequest",
        ] {
            assert!(!page.contains(way), "{way}");
        }
    }

    #[test]
    fn foreign_text_ends_nothing() {
        let mut profile = sample::heap();
        let plain = page(&profile, None).matches('<').count();
        let hostile =
            "</script><img src=x onerror=alert(1)><!--<script>\u{2028}\u{202e}\0&amp;\"\\";
        let words = profile.words(hostile);
        profile.add(Sample {
            stack: vec![words],
            values: vec![1, 1],
            labels: Vec::new(),
        });
        profile.mapping.file = hostile.to_owned();
        profile.notes.push(hostile.to_owned());
        let page = page(&profile, None);
        assert_eq!(page.matches('<').count(), plain);
        for c in ['\u{2028}', '\u{202e}', '\0'] {
            assert!(!page.contains(c));
        }
        assert!(page.contains("\\u003c/script\\u003e"));
    }
}
