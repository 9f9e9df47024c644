//! The licences of the crates that are linked into the executable, as their packages have them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io::Error;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// What the names of files with a licence begin with, in lower case.
const NAMES: [&str; 6] = [
    "licen",
    "copying",
    "copyright",
    "notice",
    "unlicense",
    "authors",
];

/// The notices of all crates linked in for any of these targets. Texts that several of them share are printed once.
pub(crate) fn notices(targets: &[&str]) -> Result<String, Error> {
    let mut crates = BTreeMap::new();
    for target in targets {
        linked(&metadata(target)?, &mut crates);
    }
    let mut list = String::new();
    let mut texts: Vec<String> = Vec::new();
    for ((name, version), package) in &crates {
        let mut numbers = Vec::new();
        for text in licences(package)? {
            let known = texts.iter().position(|it| *it == text);
            let number = known.unwrap_or(texts.len());
            if known.is_none() {
                texts.push(text);
            }
            numbers.push(format!("[{}]", number + 1));
        }
        numbers.dedup();
        let texts = numbers.join(" ");
        _ = writeln!(list, "{name} {version}, {}: {texts}", package.licence);
    }
    let mut notices = format!(
        "The executable contains these Rust crates, each under the licence named; the numbers are those of the texts below.\n\n{list}"
    );
    for (number, text) in texts.iter().enumerate() {
        _ = write!(notices, "\n──── [{}] ────\n\n{text}\n", number + 1);
    }
    Ok(notices)
}

/// A crate from elsewhere.
struct Package {
    /// SPDX expression.
    licence: String,
    authors: String,
    directory: PathBuf,
}

/// What `cargo metadata` says of the static executable.
fn metadata(target: &str) -> Result<Value, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = [
        "metadata",
        "--format-version=1",
        "--locked",
        "--features=static",
    ];
    let output = Command::new(cargo)
        .args(arguments)
        .arg(format!("--filter-platform={target}"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()?;
    if !output.status.success() {
        return Err(Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(Error::other)
}

/// Follows the normal dependencies from the root. What runs while it is built (procedural macros, build scripts) is no part
/// of the executable.
fn linked(metadata: &Value, found: &mut BTreeMap<(String, String), Package>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let by_id = |list: &Value| -> BTreeMap<String, Value> {
        all(list)
            .into_iter()
            .map(|it| (text(&it["id"]), it))
            .collect()
    };
    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let root = text(&metadata["resolve"]["root"]);
    let mut seen = BTreeSet::new();
    let mut waiting = vec![root.clone()];
    while let Some(id) = waiting.pop() {
        let (Some(package), Some(node)) = (packages.get(&id), nodes.get(&id)) else {
            continue;
        };
        let targets = all(&package["targets"]);
        let is_macro = |it: &Value| all(&it["kind"]).contains(&"proc-macro".into());
        if !seen.insert(id.clone()) || targets.iter().any(is_macro) {
            continue;
        }
        if id != root {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            let package_found = Package {
                licence: text(&package["license"]),
                authors: all(&package["authors"])
                    .iter()
                    .map(text)
                    .collect::<Vec<_>>()
                    .join(", "),
                directory: manifest.parent().map(Path::to_owned).unwrap_or_default(),
            };
            found.insert(
                (text(&package["name"]), text(&package["version"])),
                package_found,
            );
        }
        for dependency in all(&node["deps"]) {
            let kinds = all(&dependency["dep_kinds"]);
            if kinds.iter().any(|it| it["kind"].is_null()) {
                waiting.push(text(&dependency["pkg"]));
            }
        }
    }
}

/// The licence texts of a package. Where it has none: what its source states, and its authors.
fn licences(package: &Package) -> Result<Vec<String>, Error> {
    let directory = &package.directory;
    let mut texts = Vec::new();
    // libbpf-sys carries libbpf.
    for folder in [directory.to_owned(), directory.join("libbpf")] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        let mut paths: Vec<PathBuf> = entries
            .map(|it| it.map(|it| it.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_lowercase();
            if path.is_file() && NAMES.iter().any(|it| name.starts_with(it)) {
                let text = String::from_utf8_lossy(&fs::read(&path)?).replace('\r', "");
                texts.push(text.trim_matches('\n').to_owned());
            }
        }
    }
    if texts.is_empty() {
        let source = fs::read_to_string(directory.join("src/lib.rs")).unwrap_or_default();
        let stated = source.lines().take_while(|it| it.starts_with("//"));
        let mut stated: Vec<&str> = stated.map(|it| it.trim_start_matches(['/', ' '])).collect();
        stated.push(&package.authors);
        texts.push(stated.join("\n").trim().to_owned());
    }
    Ok(texts)
}
